"""`/metrics`: what this peer counts, for Prometheus.

Law: a request costs two additions; names, labels and texts are made when somebody scrapes. No ids in labels: a
series per task would grow without
end.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from quorate.node.http.call import Call
from quorate.node.http.door import Door
from quorate.node.http.ports import PeerPort
from quorate.node.http.service import Service

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Requests:
    """Counts per call of the contract: its name, never the path that was asked."""

    def __init__(self) -> None:
        self.by_status: dict[tuple[str, int], int] = {}
        self.by_duration: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def note(self, call: str, status: int, took_s: float) -> None:
        key = (call, status)
        self.by_status[key] = self.by_status.get(key, 0) + 1
        buckets = self.by_duration.get(call)
        if buckets is None:
            buckets = self.by_duration[call] = [0] * (len(BOUNDS_S) + 1)
        buckets[bisect_left(BOUNDS_S, took_s)] += 1
        self.seconds[call] = self.seconds.get(call, 0.0) + took_s


class PeerCollector(Collector):
    def __init__(self, peer: PeerPort, requests: Requests, service: Service, door: Door) -> None:
        self._peer = peer
        self._requests = requests
        self._service = service
        self._door = door

    def collect(self) -> Iterator[Metric]:
        yield from self._http()
        yield from self._cluster()

    def describe(self) -> list[Metric]:
        """Nothing is looked up when the collector is registered."""
        return []

    def _http(self) -> Iterator[Metric]:
        answered = CounterMetricFamily("quorate_http_requests", "Answered requests", labels=["call", "status"])
        for (call, status), count in self._requests.by_status.items():
            answered.add_metric([call, str(status)], count)
        yield answered
        took = HistogramMetricFamily(
            "quorate_http_request_seconds", "Time from head to answer, waits included", labels=["call"]
        )
        for call, counts in self._requests.by_duration.items():
            buckets, total = [], 0
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            took.add_metric([call], buckets, self._requests.seconds[call])
        yield took
        door = self._door
        yield GaugeMetricFamily("quorate_http_connections", "Open connections", value=len(door))
        yield GaugeMetricFamily(
            "quorate_http_strangers", "Open connections without a complete request", value=door.strangers
        )
        yield CounterMetricFamily("quorate_http_evicted", "Connections that gave way to newer ones", value=door.evicted)
        yield CounterMetricFamily(
            "quorate_http_turned_away", "Connections for which there was no place", value=door.turned_away
        )
        yield CounterMetricFamily("quorate_http_late", "Connections that missed their deadline", value=door.late)
        yield GaugeMetricFamily(
            "quorate_http_waiting", "Ends of tasks awaited by requests", value=self._service.ends.waiting
        )
        yield GaugeMetricFamily("quorate_http_event_streams", "Open event streams", value=self._service.event_streams)

    def _cluster(self) -> Iterator[Metric]:
        status = self._peer.status()
        info = GaugeMetricFamily(
            "quorate_peer_info", "1; labels say which peer this is", labels=["cluster", "peer", "role"]
        )
        info.add_metric([status.cluster, status.peer, status.role], 1)
        yield info
        yield GaugeMetricFamily(
            "quorate_is_leader", "Whether this peer leads", value=float(status.leader == status.peer)
        )
        yield GaugeMetricFamily(
            "quorate_has_leader", "Whether this peer knows a leader", value=float(status.leader is not None)
        )
        yield GaugeMetricFamily("quorate_raft_term", "Current term", value=status.term)
        yield GaugeMetricFamily(
            "quorate_raft_commit_index", "Log index known to be committed", value=status.commit_index
        )
        yield GaugeMetricFamily("quorate_raft_applied_index", "Log index applied here", value=status.applied_index)
        yield GaugeMetricFamily(
            "quorate_stale_seconds", "Age of what this peer knows for current", value=status.stale_s
        )
        yield GaugeMetricFamily(
            "quorate_clock_skew_seconds", "Wall clock minus the voters' median", value=status.skew_ms / 1000
        )
        yield GaugeMetricFamily("quorate_tasks_live", "Tasks that have not ended", value=status.live_tasks)
        yield GaugeMetricFamily(
            "quorate_quarantined",
            "Whether this peer's state differs from the majority's",
            value=float(bool(status.quarantined)),
        )
        checks = GaugeMetricFamily("quorate_check", "Readiness checks, 1 for ok", labels=["check"])
        for name, check in status.checks.items():
            checks.add_metric([name], float(check.ok))
        yield checks
        running = GaugeMetricFamily("quorate_attempts_running", "Attempts held by each live peer", labels=["peer"])
        places = GaugeMetricFamily("quorate_attempt_slots", "Attempts each live peer may hold", labels=["peer"])
        for peer, session in self._peer.machine.sessions.items():
            running.add_metric([peer], session.running)
            places.add_metric([peer], session.slots)
        yield running
        yield places
        tasks = GaugeMetricFamily("quorate_tasks", "Live tasks by queue and state", labels=["queue", "state"])
        for queue, states in self._peer.machine.counts().items():
            for state, count in states.items():
                tasks.add_metric([queue, state], count)
        yield tasks


async def get_metrics(service: Service, call: Call) -> web.StreamResponse:
    """In the format the scraper prefers."""
    call.query()
    encoder, kind = choose_encoder(call.request.headers.get("Accept", ""))
    return service.answers.of(encoder(service.registry), kind)
