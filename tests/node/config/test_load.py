"""A cluster file is validated as a whole, and every mistake in it is told with file, line, key and fix."""

from pathlib import Path

import pytest

from quorate.node.config import ClusterConfig, ConfigError, Problem, load
from quorate.node.config.source import MAX_FILE_BYTES

GOOD = """\
cluster: shop
peers:
  - id: a
    raft: 127.0.0.1:7101
    http: 127.0.0.1:8101
    data: data/a
  - id: b
    raft: 127.0.0.1:7102
    http: 127.0.0.1:8102
    data: data/b
  - id: c
    raft: 127.0.0.1:7103
    http: 127.0.0.1:8103
    data: data/c
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "cluster.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems_of(folder: Path, text: str | bytes, peer_id: str | None = None) -> list[Problem]:
    path = written(folder, text)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ConfigError) as refused:
        load(path, peer_id)
    assert sorted(folder.rglob("*")) == before, "a refused file leaves nothing behind"
    for problem in refused.value.problems:
        assert problem.file == str(path)
        assert problem.message
        assert problem.fix
        assert str(problem) in str(refused.value)
    return refused.value.problems


def test_a_minimal_file_means_the_defaults_of_the_contract(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD), "b")
    assert config.warnings == ()
    assert config.limits.args_bytes == config.limits.result_bytes == 256 * 1024
    assert config.limits.request_bytes == 4 * 1024 * 1024
    assert config.limits.request_tasks == 10_000
    assert config.limits.poison_limit == 5
    assert (config.limits.history_days, config.limits.history_rows) == (7, 1_000_000)
    assert config.timeouts.heartbeat_ms == 100
    assert (config.timeouts.election_min_ms, config.timeouts.election_max_ms) == (600, 1_200)
    assert (config.timeouts.session_ttl_s, config.timeouts.session_renew_s) == (5, 1)
    assert config.timeouts.clock_rate_percent == 5
    assert config.timeouts.attempt_s == 300
    assert config.timeouts.request_s == 10


def test_what_apply_enforces_has_the_same_defaults_in_the_file_and_in_the_log(tmp_path: Path) -> None:
    from quorate.consensus.commands import Limits

    assert load(written(tmp_path, GOOD)).replicated_limits == Limits()


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, GOOD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load(path).peer("a").data == tmp_path / "data/a"
    assert load("../cluster.yaml").peer("a").data.resolve() == tmp_path / "data/a"


def test_a_peer_may_have_workers_of_its_own(tmp_path: Path) -> None:
    text = GOOD + "    workers: {min: 1, max: 3}\nworkers: {max: 7}\n"
    config = load(written(tmp_path, text))
    assert config.workers_of("c").max == 3
    assert config.workers_of("a").max == 7
    assert config.workers_of("a").min == 2


def test_words_that_old_yaml_takes_for_something_else_stay_words(tmp_path: Path) -> None:
    """`no` is a region (Norway), not false; 1:30 is no number."""
    config = load(written(tmp_path, GOOD + "    region: no\n"))
    assert config.peer("c").region == "no"


def test_an_ipv6_address_stands_in_brackets(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD.replace("127.0.0.1:7101", "'[::1]:7101'")))
    assert config.peer("a").raft.host == "::1"
    assert str(config.peer("a").raft) == "[::1]:7101"
    assert config.peer("a").raft.is_loopback


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "got", "fix"),
    [
        # --- keys and types
        ("cluster: shop", "cluster: shop\nlimts: {}", 2, "limts", "unknown key `limts`", "did you mean `limits`?"),
        ("cluster: shop", "cluster: shop\nxyzzy: 1", 2, "xyzzy", "unknown key `xyzzy`", "known here: cluster, peers"),
        ("    data: data/b", "    data: data/b\n    regoin: x", 11, "peers[1].regoin", "unknown key", "`region`"),
        ("cluster: shop", "cluster: shop\nlimits: {args_byte: 9}", 2, "limits.args_byte", "unknown", "`args_bytes`"),
        ("cluster: shop", "cluster: shop\nsource: x", 2, "source", "unknown key `source`", "remove it"),
        (
            "cluster: shop",
            "cluster: shop\ncluster: mall",
            2,
            "cluster",
            "twice; it was already given in line 1",
            "keep",
        ),
        ("cluster: shop\n", "", 1, "cluster", "is missing", "add `cluster: ...`"),
        ("    data: data/b\n", "", 7, "peers[1].data", "is missing", "add `data: ...`"),
        ("cluster: shop", "cluster: Shop", 1, "cluster", "got 'Shop', expected 1 to 31 of a-z", "write 1 to 31"),
        ("cluster: shop", 'cluster: "shop\\n"', 1, "cluster", "got 'shop\\n', expected 1 to 31", "write"),
        ("cluster: shop", "cluster:", 1, "cluster", "got nothing, expected", "write"),
        ("cluster: shop", "cluster: shop\nlimits: 5", 2, "limits", "got 5, expected `key: value`", "`args_bytes`"),
        (
            "cluster: shop",
            "cluster: shop\nlimits: {args_bytes: 1.5e9}",
            2,
            "limits.args_bytes",
            "1500000000.0",
            "bytes",
        ),
        ("cluster: shop", "cluster: shop\nlimits: {poison_limit: 0}", 2, "limits.poison_limit", "got 0", "from 1 to"),
        ("cluster: shop", "cluster: shop\nlimits: {poison_limit: yes}", 2, "limits.poison_limit", "got 'yes'", "whole"),
        ("cluster: shop", "cluster: shop\nlimits: {poison_limit: true}", 2, "limits.poison_limit", "got true", "whole"),
        ("cluster: shop", "cluster: shop\ntimeouts: {stop_s: .nan}", 2, "timeouts.stop_s", "got '.nan'", "seconds"),
        ("cluster: shop", "cluster: shop\ntimeouts: {stop_s: 1.0e999}", 2, "timeouts.stop_s", "got inf", "seconds"),
        ("cluster: shop", "cluster: shop\ntimeouts: {stop_s: -1}", 2, "timeouts.stop_s", "got -1", "more than 0"),
        ("cluster: shop", "cluster: shop\ninsecure: 1", 2, "insecure", "got 1, expected true or false", "true or"),
        ("cluster: shop", "cluster: shop\nmodules: x", 2, "modules", "got 'x', expected a list", "one item a line"),
        ("cluster: shop", "cluster: shop\nmodules:\n- ok\n- a b", 4, "modules[1]", "got 'a b'", "shop.handlers"),
        (
            "cluster: shop",
            "cluster: shop\nhttp_allow: ['x.org']",
            2,
            "http_allow[0]",
            "got 'x.org'",
            "a URL with a path",
        ),
        (
            "cluster: shop",
            "cluster: shop\nhttp_allow: ['http://x.org']",
            2,
            "http_allow[0]",
            "'http://x.org'",
            "a path",
        ),
        ("cluster: shop", "cluster: shop\nhttp_allow: ['http://a@b/']", 2, "http_allow[0]", "'http://a@b/'", "a URL"),
        ("    data: data/a", "    data: 7", 6, "peers[0].data", "got 7, expected a path", "write a path"),
        ("    data: data/a", "    data: ~nobody-here/x", 6, "peers[0].data", "expected a path", "write a path"),
        ("    data: data/a", '    data: "x\\0y"', 6, "peers[0].data", "expected a path", "write a path"),
        ("    data: data/a", '    data: "\\ud800"', 6, "peers[0].data", "expected a path", "write a path"),
        ("127.0.0.1:7101", "127.0.0.1", 4, "peers[0].raft", "got '127.0.0.1', expected host:port", "127.0.0.1:7101"),
        ("127.0.0.1:7101", "127.0.0.1:70000", 4, "peers[0].raft", "expected host:port", "a port from 1 to 65535"),
        ("127.0.0.1:7101", "0.0.0.0:7101", 4, "peers[0].raft", "at which the other peers reach", "own name or address"),
        ("  - id: b", "  - just text\n  - id: b", 7, "peers[1]", "got 'just text'", "`id`, `raft`"),
        # --- among the peers
        ("id: b", "id: a", 7, "peers[1].id", "got the id a, which is already taken in line 3", "an id of its own"),
        ("127.0.0.1:8102", "localhost:7101", 9, "peers[1].http", "port 7101, which is already taken in line 4", "own"),
        ("data: data/b", "data: ./data/c/../a", 10, "peers[1].data", "already taken in line 6", "a folder of its own"),
        ("id: b", "id: B", 7, "peers[1].id", "got 'B', expected 1 to 31", "write 1 to 31"),
        # --- relations
        (
            "cluster: shop",
            "cluster: shop\nworkers: {min: 9, max: 3}",
            2,
            "workers.max",
            "min 9 above max 3",
            "at least 9",
        ),
        ("cluster: shop", "cluster: shop\nworkers: {min: 20}", 2, "workers.max", "min 20 above max 16", "lower `min`"),
        (
            "cluster: shop",
            "cluster: shop\nlimits:\n  args_bytes: 5000000",
            3,
            "limits.args_bytes",
            "got 5,000,000, expected at most request_bytes",
            "raise `request_bytes`",
        ),
        (
            "cluster: shop",
            "cluster: shop\nlimits:\n  request_tasks: 100\n  live_tasks: 99",
            3,
            "limits.request_tasks",
            "got 100, expected at most live_tasks (99)",
            "raise `live_tasks`",
        ),
        (
            "cluster: shop",
            "cluster: shop\nlimits: {connections: 50}",
            2,
            "limits.connections_per_address",
            "got 100, expected at most connections (50)",
            "raise `connections`",
        ),
        (
            "cluster: shop",
            "cluster: shop\ntimeouts:\n  election_min_ms: 300",
            3,
            "timeouts.election_min_ms",
            "got 300, expected more than three heartbeats (300)",
            "lower `heartbeat_ms`",
        ),
        (
            "cluster: shop",
            "cluster: shop\ntimeouts:\n  heartbeat_ms: 200",
            2,
            "timeouts.election_min_ms",
            "got 600, expected more than three heartbeats (600)",
            "raise it",
        ),
        (
            "cluster: shop",
            "cluster: shop\ntimeouts:\n  election_max_ms: 600",
            3,
            "timeouts.election_max_ms",
            "got 600, expected more than election_min_ms (600)",
            "best to 1200",
        ),
        (
            "cluster: shop",
            "cluster: shop\ntimeouts:\n  session_renew_s: 2.5",
            2,
            "timeouts.session_ttl_s",
            "got 5, expected more than two renewals (5)",
            "lower `session_renew_s`",
        ),
        # --- beyond loopback
        (
            "127.0.0.1:8103",
            "10.0.0.3:8103",
            13,
            "peers[2].http",
            "10.0.0.3:8103, which others can reach",
            "certs create",
        ),
        (
            "127.0.0.1:7103",
            "node-3:7103",
            12,
            "peers[2].raft",
            "without `tls`",
            "`insecure: true` is the only way round",
        ),
        ("cluster: shop", "cluster: shop\ntls: {ca: ca.pem}", 2, "tls.cert", "is missing", "add `cert: ...`"),
        ("cluster: shop", "cluster: shop\ntls:\n  ca: x\n  cert: y", 2, "tls.key", "is missing", "add `key: ...`"),
        # --- YAML
        ("    data: data/b", "    data: !!python/name:os.system x", 10, "peers[1].data", "tag", "remove the tag"),
        ("cluster: shop", "cluster: &x shop\nmodules: [*x]", 2, "modules[0]", "alias", "write the value out"),
        ("cluster: shop", "cluster: shop\n? [1]\n: 2", 2, "", "a list or mapping as a key", "write a plain key"),
        ("cluster: shop", "cluster: 'shop", 15, "", "this is not YAML", "mend the line"),
        ("cluster: shop", "cluster: shop\n\tx: 1", 2, "", "this is not YAML", "indentation is by spaces"),
    ],
)
def test_each_mistake_is_told_with_its_line_key_and_fix(
    tmp_path: Path, old: str, new: str, line: int, key: str, got: str, fix: str
) -> None:
    assert old in GOOD
    problems = problems_of(tmp_path, GOOD.replace(old, new, 1))
    told = [problem for problem in problems if problem.key == key]
    assert told, [str(problem) for problem in problems]
    assert told[0].line == line
    assert got in told[0].message
    assert fix in told[0].fix


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "got an empty file"),
        (b"# nothing but words\n", "got an empty file"),
        (b"- a\n- b\n", "got no mapping at the top"),
        (b"cluster: sh\xffop\n", "got byte 0xff, expected UTF-8 text"),
        (b"a: 1\n---\nb: 2\n", "this is not YAML"),
        (b"a: \x07\n", "this is not YAML"),
        (b"[" * 5_000, "nested too deeply"),
        (b"#" * (MAX_FILE_BYTES + 1), "longer than 1,048,576 bytes"),
    ],
    ids=["empty", "comments", "list", "bytes", "documents", "bell", "deep", "long"],
)
def test_what_is_no_cluster_file_at_all_is_told_so(tmp_path: Path, content: bytes, got: str) -> None:
    (problem,) = problems_of(tmp_path, content)
    assert got in problem.message


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")


def test_a_peer_that_is_not_in_the_list_is_told_who_is(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, GOOD, "z")
    assert (problem.key, problem.line) == ("peers", 2)
    assert "'z'" in problem.message
    assert "use one of a, b, c" in problem.fix


def test_too_many_peers_or_none_are_refused(tmp_path: Path) -> None:
    more = "".join(
        f"  - {{id: p{n}, raft: '127.0.0.1:{9000 + n}', http: '127.0.0.1:{9100 + n}', data: d{n}}}\n" for n in range(13)
    )
    for text, got in ((GOOD + more, "got 16 peers"), ("cluster: shop\npeers: []\n", "got 0 peers")):
        (problem,) = problems_of(tmp_path, text)
        assert problem.key == "peers"
        assert problem.line == 2
        assert got in problem.message


def test_all_mistakes_are_told_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("id: b", "id: B").replace("127.0.0.1:7103", "127.0.0.1:7101").replace("shop", "shop\nfoo: 1")
    text += "timeouts: {election_min_ms: 200}\nlimits: {poison_limit: 0, args_byte: 1}\n"
    problems = problems_of(tmp_path, text)
    assert [(problem.line, problem.key) for problem in problems] == [
        (2, "foo"),
        (8, "peers[1].id"),
        (13, "peers[2].raft"),
        (16, "timeouts.election_min_ms"),
        (17, "limits.poison_limit"),
        (17, "limits.args_byte"),
    ]


def test_a_wrong_value_does_not_make_its_whole_section_look_wrong(tmp_path: Path) -> None:
    """What the rules say of defaults that stand in for a wrong value would be no mistake of the user's."""
    beyond = GOOD.replace("127.0.0.1:7101", "10.0.0.1:7101") + "tls: {ca: 5, cert: x, key: y}\n"
    assert [problem.key for problem in problems_of(tmp_path, beyond)] == ["tls.ca"]
    slow = GOOD + "timeouts: {heartbeat_ms: 500, election_min_ms: slow, election_max_ms: 9000}\n"
    assert [problem.key for problem in problems_of(tmp_path, slow)] == ["timeouts.election_min_ms"]


def warnings_of(folder: Path, text: str) -> list[Problem]:
    config: ClusterConfig = load(written(folder, text))
    return list(config.warnings)


@pytest.mark.parametrize(
    ("text", "line", "key", "got", "fix"),
    [
        (GOOD[: GOOD.index("  - id: c")], 2, "peers", "got 2 peers, an even number", "list 1 or 3"),
        (GOOD[: GOOD.index("  - id: b")], 2, "peers", "got one peer", "list three"),
        (GOOD + "insecure: true\n", 15, "insecure", "may do everything", "set up `tls`"),
        (GOOD + "drills: {allowed: true}\n", 15, "drills.allowed", "may freeze that peer", "when drills are over"),
        (GOOD + "builtin_shell: true\n", 15, "builtin_shell", "may run any command", "remove the line"),
        (GOOD + "timeouts: {session_ttl_s: 3}\n", 15, "timeouts.session_ttl_s", "outlast", "raise it"),
        (GOOD + "timeouts: {election_max_ms: 700}\n", 15, "timeouts.election_max_ms", "close to", "best to 1200"),
    ],
)
def test_what_is_allowed_but_unwise_is_a_warning(
    tmp_path: Path, text: str, line: int, key: str, got: str, fix: str
) -> None:
    (warning,) = warnings_of(tmp_path, text)
    assert (warning.line, warning.key) == (line, key)
    assert got in warning.message
    assert fix in warning.fix


def test_beyond_loopback_insecure_is_the_only_way_round_and_warns(tmp_path: Path) -> None:
    beyond = GOOD.replace("127.0.0.1:7101", "10.0.0.1:7101")
    assert [problem.key for problem in problems_of(tmp_path, beyond)] == ["peers[0].raft"]
    assert [problem.key for problem in problems_of(tmp_path, beyond + "insecure: false\n")] == ["peers[0].raft"]
    assert [problem.key for problem in problems_of(tmp_path, beyond + "tls:\n")] == ["peers[0].raft"]
    config = load(written(tmp_path, beyond + "insecure: true\n"))
    assert [warning.key for warning in config.warnings] == ["insecure"]
    assert not config.http_wants_login


def test_http_wants_a_login_wherever_there_are_certificates_or_tokens(tmp_path: Path) -> None:
    tls = "tls: {ca: ca.pem, cert: '{id}.pem', key: '{id}.key'}\n"
    for text, wanted in (
        ("", False),
        (tls, True),
        ("tokens: {file: t.yaml}\n", True),
        (tls + "insecure: true\n", False),
        ("tokens: {file: t.yaml}\ninsecure: true\n", True),
    ):
        assert load(written(tmp_path, GOOD + text)).http_wants_login is wanted


def test_a_configuration_built_in_code_obeys_the_same_rules(tmp_path: Path) -> None:
    from msgspec import structs

    from quorate.node.config import check

    config = load(written(tmp_path, GOOD))
    twice = structs.replace(config, peers=(config.peers[0], config.peers[0]))
    problems, _ = check.examine(twice)
    assert {problem.key for problem in problems} == {"peers[1].id", "peers[1].raft", "peers[1].http", "peers[1].data"}
