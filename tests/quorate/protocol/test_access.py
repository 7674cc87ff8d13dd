"""Where the peers are and who asks, from arguments or the environment."""

from pathlib import Path

import pytest

from quorate.protocol.access import DEFAULT_ENDPOINTS, access


def test_what_is_not_given_comes_from_the_environment() -> None:
    environment = {"QUORATE_ENDPOINTS": "a:1, https://b:2/ ,a:1", "QUORATE_TOKEN": "secret"}
    found = access(environment=environment)
    assert found.endpoints == ("http://a:1", "https://b:2")
    assert found.token == "secret"
    assert access(["c:3"], token="", environment=environment).endpoints == ("http://c:3",)
    assert access(environment={}).endpoints == DEFAULT_ENDPOINTS


def test_a_bare_address_is_https_where_an_authority_is_given() -> None:
    assert access("a:1,http://b:2", ca="ca.pem", environment={}).endpoints == ("https://a:1", "http://b:2")


@pytest.mark.parametrize(
    "wrong",
    ["", " , ", "ftp://a:1", "http://", "a:port", "http://a:1/path", "http://user@a:1", "http://a:1?x=y", "a:99999"],
)
def test_what_is_no_endpoint_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="endpoints"):
        access(wrong or [], environment={})


def test_a_token_is_shown_nowhere() -> None:
    found = access("a:1", token="secret", environment={})
    assert "secret" not in repr(found)
    with pytest.raises(ValueError, match="token") as refused:
        access("a:1", token="secret\n", environment={})
    assert "secret" not in str(refused.value)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected both or none"):
        access("a:1", cert="only.pem", environment={})
    with pytest.raises(ValueError, match=r"missing\.pem"):
        access("a:1", ca=str(tmp_path / "missing.pem"), environment={}).ssl_context()
    assert access("http://a:1", environment={}).ssl_context() is None
