"""The handlers that are always there keep to the contract, and to what the cluster file allows."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from quorate.node.builtin import builtin_handlers
from quorate.node.config import ClusterConfig
from quorate.node.context import Context
from quorate.node.registry import Registry
from quorate.node.staging import StagingRules
from quorate.node.workers.perform import perform
from quorate.scheduling.task import Ending, Failed, Returned
from tests.node.workers.pools import attempt_of, error_type, value_of, watched_pool


def serving(*allow: str, with_shell: bool = False) -> Registry:
    return Registry(builtin_handlers(ClusterConfig(cluster="t", peers=(), http_allow=allow, builtin_shell=with_shell)))


def run(registry: Registry, name: str, args: Any = None, **fields: Any) -> Ending:
    attempt = attempt_of(name, args, **fields)
    handler = registry.get(name)
    assert handler is not None
    return perform(handler, attempt, Context(attempt, StagingRules()), 256 * 1024)


def message_of(ending: Ending) -> str:
    assert isinstance(ending, Failed), ending
    return ending.error.message


def test_the_shell_is_off_unless_enabled() -> None:
    always = ("builtin.echo", "builtin.fail", "builtin.http", "builtin.noop", "builtin.sleep")
    assert serving().names() == always
    assert serving(with_shell=True).names() == tuple(sorted((*always, "builtin.shell")))


@pytest.mark.parametrize("args", [{}, [], {"a": [1, None]}, [1, "two", {"three": 3}]])
def test_echo_returns_its_arguments_and_noop_takes_any(args: Any) -> None:
    assert value_of(run(serving(), "builtin.echo", args)) == args
    assert value_of(run(serving(), "builtin.noop", args)) is None


def test_fail_fails_that_many_attempts_and_then_succeeds() -> None:
    args = {"message": "down", "type": "GatewayDown", "times": 2}
    for attempt in (1, 2):
        ending = run(serving(), "builtin.fail", args, attempt=attempt)
        assert error_type(ending) == "GatewayDown"
        assert message_of(ending) == "down"
    assert value_of(run(serving(), "builtin.fail", args, attempt=3)) == {"attempt": 3}


def test_fail_without_a_number_of_times_fails_always() -> None:
    assert error_type(run(serving(), "builtin.fail", attempt=99)) == "Failure"


@pytest.mark.parametrize(
    ("name", "args", "field"),
    [
        ("builtin.sleep", {"seconds": "long"}, "seconds"),
        ("builtin.sleep", {"seconds": -1}, "seconds"),
        ("builtin.sleep", {"seconds": True}, "seconds"),
        ("builtin.fail", {"times": "two"}, "times"),
        ("builtin.fail", {"type": "no class"}, "type"),
        ("builtin.fail", {"type": 5}, "type"),
    ],
)
def test_wrong_values_are_named(name: str, args: dict[str, Any], field: str) -> None:
    ending = run(serving(), name, args)
    assert error_type(ending) == "ValueError"
    assert message_of(ending).startswith(f"{field}:")


async def test_sleep_wakes_when_it_is_cancelled() -> None:
    async with watched_pool(registry=serving()) as watched:
        attempt = watched.start("builtin.sleep", {"seconds": 3600})
        await watched.until(lambda: watched.pool.queued == 0, "it sleeps")
        watched.pool.cancel(attempt.task, attempt.fence)
        assert await watched.ending(attempt) == Returned("cancelled")


# --- shell ---------------------------------------------------------------------------------------------------------


def test_a_command_gives_its_output_and_a_failing_one_its_code() -> None:
    registry = serving(with_shell=True)
    ran = value_of(run(registry, "builtin.shell", {"command": "echo out; echo err >&2"}))
    assert ran == {"code": 0, "stdout": "out\n", "stderr": "err\n"}
    failed = run(registry, "builtin.shell", {"command": "echo why >&2; exit 3"})
    assert error_type(failed) == "CommandFailed"
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.message) == ("3", "why\n")


def test_of_endless_output_the_end_is_kept() -> None:
    ran = value_of(run(serving(with_shell=True), "builtin.shell", {"command": "seq 1 100000"}))
    assert len(ran["stdout"]) == 64 * 1024
    assert ran["stdout"].endswith("100000\n")


async def test_a_cancelled_command_is_killed_with_all_it_started() -> None:
    async with watched_pool(registry=serving(with_shell=True)) as watched:
        attempt = watched.start("builtin.shell", {"command": "sleep 3600 & sleep 3600"})
        await watched.until(lambda: watched.pool.queued == 0, "it runs")
        watched.pool.cancel(attempt.task, attempt.fence)
        assert await watched.ending(attempt) == Returned("cancelled")


# --- http ----------------------------------------------------------------------------------------------------------


class Site(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]]
    release: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path.endswith("/slow"):
            self.release.wait(60)
        status = {"/v1/missing": 404, "/v1/away": 302}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 302:
            self.send_header("Location", "/secret")
        self.end_headers()
        self.wfile.write(b'"' + b"x" * 300_000 + b'"' if self.path.endswith("/large") else b'{"ok":true}')

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Tests are quiet."""


@pytest.fixture
def site() -> Iterator[tuple[str, type[Site]]]:
    class Here(Site):
        seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
        release = threading.Event()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Here)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", Here
    Here.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_calls_what_is_allowed_and_carries_the_tasks_id_against_repetition(site: tuple[str, type[Site]]) -> None:
    url, seen = site
    args = {"url": f"{url}/v1/pay?x=1", "method": "POST", "headers": {"X-A": "b"}, "body": {"cents": 5}}
    answer = value_of(run(serving(f"{url}/v1/"), "builtin.http", args))
    assert (answer["status"], answer["body"]) == (200, {"ok": True})
    ((method, path, headers, body),) = seen.seen
    assert (method, path, body) == ("POST", "/v1/pay?x=1", b'{"cents":5}')
    assert headers["Idempotency-Key"] == attempt_of("x").task
    assert (headers["X-A"], headers["Content-Type"]) == ("b", "application/json")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v10", "UrlNotAllowed"),
        ("/", "UrlNotAllowed"),
        ("/v1/../secret", "ValueError"),
        ("/v1/%2e%2e/secret", "ValueError"),
        ("/v1/..%2fsecret", "ValueError"),
        ("/v1/..%252fsecret", "ValueError"),
        ("/v1\\..\\secret", "ValueError"),
    ],
)
def test_what_is_not_under_an_allowed_prefix_is_never_called(
    site: tuple[str, type[Site]], path: str, error: str
) -> None:
    url, seen = site
    assert error_type(run(serving(f"{url}/v1/"), "builtin.http", {"url": url + path})) == error
    assert not seen.seen


def test_another_host_port_scheme_or_a_user_in_the_url_is_not_the_allowed_place(site: tuple[str, type[Site]]) -> None:
    url, seen = site
    host = url.removeprefix("http://")
    for other in (
        f"https://{host}/v1/",
        "http://127.0.0.1/v1/",
        f"http://x@{host}/v1/",
        f"{url}/v1/#a",
        "/v1/",
        "ftp://a/",
    ):
        assert error_type(run(serving(f"{url}/v1/"), "builtin.http", {"url": other})) in {"UrlNotAllowed", "ValueError"}
    assert error_type(run(serving(), "builtin.http", {"url": f"{url}/v1/"})) == "UrlNotAllowed"
    assert not seen.seen


def test_an_error_status_fails_with_its_number_and_a_redirect_is_an_answer(site: tuple[str, type[Site]]) -> None:
    url, seen = site
    registry = serving(f"{url}/v1/")
    missing = run(registry, "builtin.http", {"url": f"{url}/v1/missing"})
    assert error_type(missing) == "HttpError"
    assert isinstance(missing, Failed)
    assert missing.error.code == "404"
    away = value_of(run(registry, "builtin.http", {"url": f"{url}/v1/away"}))
    assert (away["status"], away["headers"]["location"]) == (302, "/secret")
    assert [path for _, path, _, _ in seen.seen] == ["/v1/missing", "/v1/away"]


def test_an_answer_beyond_the_limit_fails_by_name(site: tuple[str, type[Site]]) -> None:
    url, _ = site
    assert error_type(run(serving(f"{url}/"), "builtin.http", {"url": f"{url}/large"})) == "AnswerTooLarge"


async def test_a_cancelled_call_lets_go_of_a_server_that_does_not_answer(site: tuple[str, type[Site]]) -> None:
    url, seen = site
    async with watched_pool(registry=serving(f"{url}/")) as watched:
        attempt = watched.start("builtin.http", {"url": f"{url}/slow"})
        await watched.until(lambda: len(seen.seen) == 1, "the server has the request")
        began = time.monotonic()
        watched.pool.cancel(attempt.task, attempt.fence)
        assert await watched.ending(attempt) == Returned("cancelled")
        assert time.monotonic() - began < 10
