"""The page of a run: complete in itself, and nothing in a run can become markup or code."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from quorate.netsim import reading
from quorate.netsim.finding import Told, tell
from quorate.netsim.report.model import draw
from quorate.netsim.report.page import page
from quorate.netsim.trace import Event

SCENARIOS = Path(reading.__file__).parent / "scenarios"
VOID = {"meta", "input", "br", "link", "img"}
EVIL = '</script><script>alert("x")</script><!--data-->&amp;'


class Outline(HTMLParser):
    """Tags that are open, ids, and what is referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.scripts = 0
        self.data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.references += [value for name, value in attrs if name in ("src", "href", "action") and value]
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag if given.get("id") != "run" else "data")

    def handle_endtag(self, tag: str) -> None:
        last = self.open.pop()
        assert last == tag or (last == "data" and tag == "script"), f"<{last}> is ended by </{tag}>"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "data":
            self.data += data


def outline(text: str) -> Outline:
    read = Outline()
    read.feed(text)
    read.close()
    assert not read.open, f"never ended: {read.open}"
    return read


@pytest.fixture(scope="module")
def told() -> Told:
    return tell(reading.read(SCENARIOS / "old_leader_returns.yaml"), messages=True)


@pytest.fixture(scope="module")
def text(told: Told) -> str:
    return page("old leader", ["a", "b", "c"], told.events, {"seed": "4"}, told.words)


def test_the_page_is_well_formed_and_refers_to_nothing_outside_itself(text: str) -> None:
    read = outline(text)
    assert read.references == []
    assert len(read.ids) == len(set(read.ids))
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)


def test_every_element_the_program_asks_for_is_there(text: str) -> None:
    asked = set(re.findall(r'byId\("([a-z-]+)"\)', text))
    assert asked
    assert asked <= set(outline(text).ids)


def test_the_run_is_told_in_words_too(text: str, told: Told) -> None:
    assert told.words.splitlines()[3].strip() in text
    assert "<noscript>" in text


@pytest.mark.skipif(shutil.which("node") is None, reason="nothing here can read JavaScript")
def test_the_program_is_javascript(text: str, tmp_path: Path) -> None:
    program = tmp_path / "page.js"
    program.write_text(text.rpartition("<script>")[2].partition("</script>")[0])
    ran = subprocess.run(["node", "--check", str(program)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_nothing_of_a_run_becomes_markup_or_code() -> None:
    events = [
        Event(0.0, "start", "a", {}),
        Event(1.0, "invoke", "a", {"n": 1, "do": EVIL, "key": EVIL}),
        Event(2.0, "violation", "", {"check": EVIL, "text": EVIL}),
    ]
    read = outline(page(EVIL, ["a"], events, {EVIL: EVIL}, EVIL))
    assert read.scripts == 2
    assert json.loads(read.data)["title"] == EVIL


def test_what_is_drawn_is_what_happened(told: Told) -> None:
    drawing = draw("t", ["a", "b", "c"], told.events, {})
    leaders = [(span.peer, span.term) for span in drawing.spans if span.kind == "leader"]
    assert leaders[:2] == [("b", 1), ("c", 2)]
    (cut,) = drawing.faults
    assert (cut.kind, cut.on, cut.to, cut.since, cut.until) == ("partition", ("b",), ("a", "c"), 2.0, 8.0)
    assert {one.outcome for one in drawing.asked} == {"done", "ok", "unknown", "no_quorum"}
    assert len(drawing.tasks) == 4
    assert drawing.messages
    assert drawing.violation is None


def test_bars_that_overlap_have_rows_of_their_own() -> None:
    def attempt(at: float, kind: str, fence: int) -> Event:
        return Event(at, kind, "a", {"task": "T", "fence": fence, "how": "succeeded"})

    events = [
        attempt(1.0, "attempt", 1),
        attempt(2.0, "attempt", 2),
        attempt(3.0, "attempt_over", 1),
        attempt(3.5, "attempt", 3),
        Event(4.0, "kill", "a", {}),
        Event(9.0, "settled", "", {}),
    ]
    drawing = draw("t", ["a"], events, {})
    assert [(task.row, task.until, task.kind) for task in drawing.tasks] == [
        (0, 3.0, "succeeded"),
        (1, 4.0, "killed"),
        (0, 4.0, "killed"),
    ]
    assert drawing.task_rows == {"a": 2}


def test_a_peer_that_is_off_or_frozen_is_drawn_so_until_it_is_back() -> None:
    events = [
        Event(0.0, "start", "a", {}),
        Event(1.0, "kill", "a", {}),
        Event(2.0, "start", "a", {}),
        Event(3.0, "freeze", "a", {}),
        Event(4.0, "thaw", "a", {}),
        Event(5.0, "role", "a", {"role": "leader", "term": 2}),
        Event(6.0, "settled", "", {}),
    ]
    spans = draw("t", ["a"], events, {}).spans
    assert [(span.kind, span.since, span.until) for span in spans] == [
        ("down", 1.0, 2.0),
        ("frozen", 3.0, 4.0),
        ("leader", 5.0, 6.0),
    ]
