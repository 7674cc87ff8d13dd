"""A bearer token is told once and stored as a hash; the file may change while a peer runs."""

from pathlib import Path

import pytest

from quorate.node.config import ConfigError
from quorate.node.tokens import LiveTokens, TokensError, create, digest_of
from tests.node.certificates import HandClock


def test_a_token_opens_what_it_was_made_for_and_is_stored_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "tokens.yaml"
    token = create(file, "ci")
    second = create(file, "dashboard")
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["tokens.yaml"]
    tokens = LiveTokens(file)
    assert tokens.name_of(token) == "ci"
    assert tokens.name_of(second) == "dashboard"
    assert dict(tokens) == {digest_of(token): "ci", digest_of(second): "dashboard"}


@pytest.mark.parametrize("offered", ["", "quorate_", "x" * 10_000, "\udcff", "täuschung", "ci"])
def test_anything_else_opens_nothing(tmp_path: Path, offered: str) -> None:
    file = tmp_path / "tokens.yaml"
    token = create(file, "ci")
    tokens = LiveTokens(file)
    assert tokens.name_of(offered) is None
    assert tokens.name_of(token[:-1]) is None
    assert tokens.name_of(digest_of(token)) is None, "who reads the file cannot log in with it"


def test_a_name_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    create(file, "ci")
    before = file.read_bytes()
    with pytest.raises(TokensError, match="has a token named 'ci'"):
        create(file, "ci")
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "CI", "a b", "a\n", "-a", "a" * 32])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TokensError, match="expected 1 to 31"):
        create(tmp_path / "tokens.yaml", name)
    assert list(tmp_path.iterdir()) == []


def test_two_that_write_at_once_do_not_lose_a_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    create(file, "ci")
    before = file.read_bytes()
    (tmp_path / "tokens.yaml.new").touch()
    with pytest.raises(TokensError, match="somebody else is adding a token"):
        create(file, "other")
    assert file.read_bytes() == before
    assert (tmp_path / "tokens.yaml.new").exists()


@pytest.mark.parametrize(
    ("content", "line", "got"),
    [
        ("ci: quorate_secret-by-mistake\n", 1, "something else than the sha256"),
        ("# x\nci: 1234\n", 2, "something else than the sha256"),
        (f"CI: {'a' * 64}\n", 1, "got the name 'CI'"),
        (f"ci: {'a' * 64}\nci: {'b' * 64}\n", 2, "twice"),
        (f"ci: {'a' * 64}\nme: {'a' * 64}\n", 1, "the same sha256 under two names"),
        ("- ci\n", 1, "no mapping"),
    ],
)
def test_a_damaged_file_is_told_by_line_and_never_repeats_a_secret(
    tmp_path: Path, content: str, line: int, got: str
) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as refused:
        LiveTokens(file)
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == (str(file), line)
    assert got in problem.message
    assert problem.fix
    assert "secret-by-mistake" not in str(refused.value)


def test_a_withdrawn_token_is_worth_nothing_within_a_second(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    token = create(file, "ci")
    clock = HandClock()
    tokens = LiveTokens(file, clock)
    file.write_text(f"other: {'a' * 64}\n")
    assert tokens.name_of(token) == "ci", "looked at once a second at most"
    clock.now += 1
    assert tokens.name_of(token) is None
    assert list(tokens.values()) == ["other"]


def test_a_file_that_cannot_be_understood_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    token = create(file, "ci")
    clock = HandClock()
    tokens = LiveTokens(file, clock)
    for damage in ("ci: nonsense\n", ":::\n", None):
        file.unlink()
        if damage is not None:
            file.write_text(damage)
        clock.now += 1
        assert tokens.name_of(token) == "ci"
