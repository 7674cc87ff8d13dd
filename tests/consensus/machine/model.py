"""The dumb model of the state machine: plain dictionaries, searched from end to end, everything told at once.

Law: as simple as the contract's words; no index, no heap, no budget, no hash. Where it and the machine differ, one is
wrong.
"""

from dataclasses import dataclass, field

LIVE = ("held", "scheduled", "blocked", "ready", "running")
GRACE_MS = 5_000


@dataclass
class ModelTask:
    number: int
    after: tuple[int, ...]
    priority: int
    not_before_ms: int
    timeout_ms: int
    retries: int
    run_after_failure: bool
    state: str = "held"
    waits: set[int] = field(default_factory=set)
    attempt: int = 0
    fence: int = 0
    failures: int = 0
    deaths: int = 0
    peer: str = ""
    due: int = 0
    by_elapsed: bool = False
    ready_ms: int = 0


@dataclass
class ModelSession:
    incarnation: int
    ttl_ms: int
    expires: int
    slots: int


@dataclass
class ModelDeath:
    counted: list[int]
    awaited: set[str]


class Model:
    """One call is one entry."""

    def __init__(self, poison_limit: int) -> None:
        self.poison_limit = poison_limit
        self.tasks: dict[int, ModelTask] = {}
        self.sessions: dict[str, ModelSession] = {}
        self.deaths: list[ModelDeath] = []
        self.elapsed = 0
        self.wall_ms = 0
        self.fence = 0

    # --- commands -------------------------------------------------------------------------------------------------
    def shows_life(self, peer: str, incarnation: int) -> None:
        session = self.sessions.get(peer)
        if session is not None and session.incarnation == incarnation:
            for death in self.deaths:
                death.awaited.discard(peer)

    def open(self, peer: str, incarnation: int, ttl_ms: int, slots: int) -> None:
        session = self.sessions.get(peer)
        if session is not None and session.incarnation != incarnation:
            self.lose(peer)
        self.sessions[peer] = ModelSession(incarnation, ttl_ms, self.elapsed + ttl_ms, slots)

    def renew(self, peer: str) -> None:
        session = self.sessions[peer]
        session.expires = self.elapsed + session.ttl_ms

    def close(self, peer: str) -> None:
        for task in self.held_by(peer):
            self.put_back(task)
        del self.sessions[peer]

    def submit(self, task: ModelTask, held: bool) -> None:
        self.tasks[task.number] = task
        self.begin(task, held)

    def begin(self, task: ModelTask, held: bool) -> None:
        ended = [one for one in task.after if self.tasks[one].state not in LIVE]
        task.waits = set(task.after) - set(ended)
        if any(self.tasks[one].state != "succeeded" for one in ended) and not task.run_after_failure:
            self.end(task, "failed")
        elif held:
            task.state = "held"
        else:
            self.place(task)

    def place(self, task: ModelTask) -> None:
        if task.waits:
            task.state = "blocked"
        elif task.not_before_ms > self.wall_ms:
            task.state, task.due, task.by_elapsed = "scheduled", task.not_before_ms, False
        else:
            task.state, task.ready_ms = "ready", self.wall_ms

    def may_claim(self, number: int, attempt: int, peer: str) -> bool:
        task = self.tasks.get(number)
        return (
            task is not None
            and task.state == "ready"
            and task.attempt == attempt
            and len(self.held_by(peer)) < self.sessions[peer].slots
        )

    def claim(self, number: int, peer: str) -> None:
        task = self.tasks[number]
        self.fence += 1
        task.state, task.peer, task.fence, task.attempt = "running", peer, self.fence, task.attempt + 1
        task.due = self.elapsed + task.timeout_ms + GRACE_MS

    def fail(self, task: ModelTask, delay_ms: int) -> None:
        task.failures += 1
        if task.failures > task.retries:
            self.end(task, "failed")
        else:
            task.state, task.due, task.by_elapsed = "scheduled", self.elapsed + delay_ms, True

    def end(self, task: ModelTask, state: str) -> None:
        task.state = state
        for other in self.tasks.values():
            if task.number in other.waits and other.state in LIVE:
                other.waits.discard(task.number)
                if state != "succeeded" and not other.run_after_failure:
                    self.end(other, "failed")
                elif other.state == "blocked" and not other.waits:
                    self.place(other)

    def release(self, task: ModelTask) -> None:
        task.deaths = 0
        self.place(task)

    def again(self, task: ModelTask) -> None:
        task.failures = task.deaths = 0
        task.state = "blocked"
        for other in self.tasks.values():
            if task.number in other.after and other.state in LIVE and other.waits:
                other.waits.add(task.number)
        self.begin(task, held=False)

    # --- time and death -------------------------------------------------------------------------------------------
    def pass_time(self) -> None:
        """What is due at the end of every entry."""
        due = sorted((s.expires, peer) for peer, s in self.sessions.items() if s.expires <= self.elapsed)
        for _, peer in due:
            self.lose(peer)
        for task in list(self.tasks.values()):
            if task.state == "running" and task.timeout_ms and task.due <= self.elapsed:
                self.fail(task, 1_000)
        for task in self.tasks.values():
            now = self.elapsed if task.by_elapsed else self.wall_ms
            if task.state == "scheduled" and task.due <= now:
                task.state, task.ready_ms = "ready", self.wall_ms

    def lose(self, peer: str) -> None:
        lost = self.held_by(peer)
        del self.sessions[peer]
        shared = [death for death in self.deaths if peer in death.awaited]
        for death in shared:
            for number in death.counted:
                self.take_back(self.tasks[number])
            death.counted = []
            death.awaited.discard(peer)
        for task in lost:
            self.put_back(task)
            task.deaths += not shared
            if task.deaths >= self.poison_limit and not shared:
                task.state = "held"
        if not shared:
            self.deaths.append(ModelDeath([task.number for task in lost], set(self.sessions)))

    def take_back(self, task: ModelTask) -> None:
        if task.state not in LIVE or not task.deaths:
            return
        task.deaths -= 1
        if task.state == "held" and task.attempt and task.deaths < self.poison_limit:
            task.state = "ready"

    def put_back(self, task: ModelTask) -> None:
        task.state, task.peer = "ready", ""

    def held_by(self, peer: str) -> list[ModelTask]:
        return [task for task in self.tasks.values() if task.state == "running" and task.peer == peer]

    def ready_in_order(self) -> list[int]:
        ready = [task for task in self.tasks.values() if task.state == "ready"]
        return [t.number for t in sorted(ready, key=lambda t: (t.ready_ms - t.priority * 10_000, t.number))]
