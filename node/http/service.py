"""What the calls share: the peer, the ways to ask it, the limits, and how answers look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from quorate.consensus.status import Check
from quorate.node.http.answers import Answers
from quorate.node.http.asking import Asking, Ends, Stopping
from quorate.node.http.call import Call
from quorate.node.http.ports import HistoryList, PeerPort
from quorate.node.http.problems import no_such_task
from quorate.node.http.settings import HttpSettings
from quorate.node.http.told import encode, task_told
from quorate.scheduling.task import Task, TaskId

STALE: Final = "stale"
CONSISTENCIES: Final = ("linearizable", STALE)


@dataclass(slots=True)
class Service:
    peer: PeerPort
    settings: HttpSettings
    history: HistoryList
    asking: Asking
    ends: Ends
    answers: Answers
    registry: CollectorRegistry
    more_checks: Callable[[], Mapping[str, Check]]
    """What else decides about readiness: disk, loop."""
    stopping: Stopping
    ndjson_streams: int = 0
    event_streams: int = 0

    def find(self, task: TaskId) -> Task:
        """Raises Problem (404)."""
        found = self.peer.find(task)
        if found is None:
            raise no_such_task(task)
        return found

    def rendered(self, task: Task) -> bytes:
        return encode(task_told(task, self.peer.machine))

    def task_answer(
        self, task: Task, call: Call, index: int, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> web.Response:
        if call.waited:
            headers = {**(headers or {}), "Preference-Applied": call.waited}
        return self.answers.json(self.rendered(task), status=status, index=index, headers=headers)
