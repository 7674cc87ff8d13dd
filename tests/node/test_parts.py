"""Every field of `limits` and `timeouts` has a reader."""

from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from quorate.node.config import Address, ClusterConfig, LimitsConfig, PeerConfig, TimeoutsConfig
from quorate.node.parts import http_settings, peer_settings, staging_rules, transport_settings

PEER = PeerConfig("a", Address("127.0.0.1", 7101), Address("127.0.0.1", 8101), Path("data"))
CONFIG = ClusterConfig(cluster="parts", peers=(PEER,))

READ_WHILE_RUNNING = {"result_bytes": "the worker pool", "stop_s": "stopping"}
"""Read where it is needed; what follows from it is tested there."""


def everything_told(config: ClusterConfig) -> tuple[object, ...]:
    return (
        peer_settings(config, "a"),
        http_settings(config, {}, ()),
        transport_settings(config, "a"),
        staging_rules(config),
    )


def fields(section: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in structs.fields(section) if field.name not in READ_WHILE_RUNNING]


@pytest.mark.parametrize("name", fields(LimitsConfig))
def test_every_limit_of_the_file_reaches_a_part(name: str) -> None:
    changed = structs.replace(CONFIG.limits, **{name: getattr(CONFIG.limits, name) + 1})
    assert everything_told(structs.replace(CONFIG, limits=changed)) != everything_told(CONFIG)


@pytest.mark.parametrize("name", fields(TimeoutsConfig))
def test_every_timeout_of_the_file_reaches_a_part(name: str) -> None:
    changed = structs.replace(CONFIG.timeouts, **{name: getattr(CONFIG.timeouts, name) + 1})
    assert everything_told(structs.replace(CONFIG, timeouts=changed)) != everything_told(CONFIG)


def test_a_staged_task_is_held_to_what_holds_for_a_request() -> None:
    limits, timeouts = LimitsConfig(args_bytes=2_048), TimeoutsConfig(attempt_s=7.5)
    rules = staging_rules(structs.replace(CONFIG, limits=limits, timeouts=timeouts))
    assert rules.args_max_bytes == 2_048
    assert rules.attempt_timeout_ms == 7_500
