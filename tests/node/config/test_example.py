"""`cluster.example.yaml` is true: it loads, and shows every field with its default."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from quorate.node.config import ClusterConfig, LimitsConfig, PeerConfig, TimeoutsConfig, WorkersConfig, load
from quorate.node.config.load import NOT_KEYS
from quorate.node.config.model import DrillsConfig, TlsConfig, TokensConfig

EXAMPLE = Path(__file__).resolve().parents[3] / "cluster.example.yaml"


def shown() -> set[str]:
    """Every key of the file, commented out or not; `true:` begins an explanation."""
    words = re.findall(r"^[ #-]*([a-z_]+):(?!//)", EXAMPLE.read_text("utf-8"), re.MULTILINE)
    return set(words) - {"true"}


def test_the_example_starts_three_peers_without_a_warning() -> None:
    for peer_id in ("a", "b", "c"):
        config = load(EXAMPLE, peer_id)
        assert [peer.id for peer in config.peers] == ["a", "b", "c"]
        assert config.warnings == ()


@pytest.mark.parametrize(
    "kind",
    [ClusterConfig, PeerConfig, WorkersConfig, LimitsConfig, TimeoutsConfig, TlsConfig, TokensConfig, DrillsConfig],
)
def test_the_example_shows_every_field(kind: type[msgspec.Struct]) -> None:
    wanted = {field.name for field in structs.fields(kind)} - NOT_KEYS
    assert wanted <= shown()


def test_the_example_shows_no_field_that_is_not_there() -> None:
    files = (TlsConfig, TokensConfig)
    kinds = (ClusterConfig, PeerConfig, WorkersConfig, LimitsConfig, TimeoutsConfig, DrillsConfig, *files)
    known = {field.name for kind in kinds for field in structs.fields(kind)}
    assert shown() <= known


@pytest.mark.parametrize(("section", "kind"), [("limits", LimitsConfig), ("timeouts", TimeoutsConfig)])
def test_what_is_commented_out_is_the_default(section: str, kind: type[msgspec.Struct]) -> None:
    text = EXAMPLE.read_text("utf-8")
    body = re.search(rf"^{section}:\n((?:  .*\n)+)", text, re.MULTILINE)
    assert body is not None
    values = dict(re.findall(r"^  #([a-z_]+): ([0-9.]+)", body[1], re.MULTILINE))
    defaults = {field.name: field.default for field in structs.fields(kind)}
    assert {name: float(value) for name, value in values.items()} == defaults


def test_uncommenting_everything_gives_a_file_that_loads(tmp_path: Path) -> None:
    """A user who takes a comment sign away gets what the comment promised."""
    lines = []
    for line in EXAMPLE.read_text("utf-8").splitlines():
        if line in ("modules: []", "http_allow: []"):
            continue
        lines.append(re.sub(r"^( *)#(?=[a-z_]+:|  )(?!   )", r"\1", line))
    path = tmp_path / "cluster.yaml"
    path.write_text("\n".join(line for line in lines if not line.startswith("  quorate")) + "\n")
    config = load(path)
    assert config.modules == ("shop.handlers",)
    assert config.http_allow == ("https://api.example.com/v1/",)
    assert config.tls is not None
    assert config.tokens is not None
    assert config.limits == LimitsConfig()
    assert config.timeouts == TimeoutsConfig()
