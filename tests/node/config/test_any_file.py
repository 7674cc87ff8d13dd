"""Whatever stands in a file, the answer is a configuration, or problems with file, message and fix."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.node.config import ConfigError, Problem, load

EXAMPLE = (Path(__file__).resolve().parents[3] / "cluster.example.yaml").read_bytes()
PIECES = [
    b"&a ",
    b"*a",
    b"!!set ",
    b"<<: ",
    b"? ",
    b"[",
    b"{",
    b"}",
    b"- ",
    b": ",
    b"\n",
    b"'",
    b'"',
    b"|",
    b"\t",
    b"\0",
]
PIECES += [
    b"\xc3",
    b"\xef\xbb\xbf",
    b"null",
    b"0x10",
    b"1_0",
    b"9" * 30,
    b".5",
    b"1e9",
    b"-1",
    b"[::1]:1",
    b"%YAML 9.9\n",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "cluster.yaml"


def look(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    problems: list[Problem] = []
    try:
        config = load(path, "a")
    except ConfigError as refused:
        problems = refused.problems
        config = None
    assert (config is None) == bool(problems)
    for problem in problems:
        assert problem.file == str(path)
        assert problem.message
        assert problem.fix
        assert 0 <= problem.line <= content.count(b"\n") + content.count(b"\r") + 2


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_words(path: Path, content: bytes) -> None:
    look(path, content)


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_pile_of_yaml_is_read_or_refused_with_words(path: Path, pieces: list[bytes]) -> None:
    look(path, b"".join(pieces))


@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 12), st.sampled_from(PIECES) | st.binary(max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_a_cluster_file_with_pieces_put_in_or_cut_out(path: Path, cuts: list[tuple[int, int, bytes]]) -> None:
    content = EXAMPLE
    for place, length, piece in cuts:
        content = content[:place] + piece + content[place + length :]
    look(path, content)
