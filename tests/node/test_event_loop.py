"""The faster event loop is an extra: installed it is used, absent it is not missed."""

import asyncio
import sys
from types import ModuleType

import pytest

from quorate.node import process


def test_without_the_extra_the_plain_loop_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What everything is tested on."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert process._fastest_loop() is asyncio.new_event_loop


def test_with_the_extra_its_loop_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """To install it is to ask for it."""
    extra = ModuleType("uvloop")
    extra.new_event_loop = asyncio.SelectorEventLoop  # type: ignore[attr-defined]  # a stand-in for the real one
    monkeypatch.setitem(sys.modules, "uvloop", extra)
    assert process._fastest_loop() is asyncio.SelectorEventLoop
