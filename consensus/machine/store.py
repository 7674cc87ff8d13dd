"""All there is: the stored tables, what is derived from them, and what the current entry has brought about.

Law: whatever changes a task goes through `attach`, `detach` and `moves.py`, so that derived tables can never disagree
with the stored ones. Nothing iterates a dictionary where the order could show: decisions follow `seq`, `end_seq` or
names.
"""

from bisect import bisect_left, insort
from collections import deque
from sys import intern

from quorate.consensus.commands import Limits
from quorate.consensus.events import Event
from quorate.consensus.machine.order import ReadyOrder, SortedInts, sorted_ints
from quorate.consensus.machine.records import Counters, Ended, Telling
from quorate.consensus.machine.tables import Tables
from quorate.consensus.machine.timers import Timers
from quorate.scheduling.hlc import wall_ms_of
from quorate.scheduling.task import State, Task, TaskId

READY = State.READY
RUNNING = State.RUNNING
SCHEDULED = State.SCHEDULED


class Store(Tables):
    """The state in use."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Counters()
        self.counters.put("", self.now)
        self.bounds = Limits()
        self.limits.put("", self.bounds)
        # Derived: by sequence, by key, by dependency, by peer; ready order, timers, sums.
        self.by_seq: dict[int, Task] = {}
        self.seqs: SortedInts = sorted_ints()
        self.keys: dict[tuple[str, str], TaskId] = {}
        self.dependants: dict[TaskId, list[int]] = {}
        """For each task the sorted `seq` of the live tasks that name it in `after`."""
        self.running: dict[str, dict[TaskId, Task]] = {}
        self.counts: dict[str, int] = {}
        """Live tasks by state and queue, the two names joined (no state's name begins with another's)."""
        self.ready = ReadyOrder()
        self.timers = Timers()
        self.live_bytes = 0
        self.ageing: deque[tuple[int, TaskId, int]] = deque()
        """Stubs in the order in which they may go: (elapsed, id, end_seq)."""
        self.telling: deque[tuple[TaskId, int]] = deque()
        """Stubs that still owe their dependants word, in the order of their ends: (id, end_seq)."""
        # Of the current entry.
        self.events: list[Event] = []
        self.rows: list[Task] = []

    @property
    def wall_ms(self) -> int:
        return wall_ms_of(self.now.stamp)

    # --- live tasks -----------------------------------------------------------------------------------------------
    def attach(self, task: Task) -> None:
        """A record enters the table of live tasks; `enter` follows when its state is known."""
        task.handler, task.namespace, task.queue = intern(task.handler), intern(task.namespace), intern(task.queue)
        self.by_seq[task.seq] = task
        self.seqs.add(task.seq)
        self.live_bytes += len(task.args)
        if task.key:
            self.keys[task.namespace, task.key] = task.id
        for dependency in task.after:
            waiting = self.dependants.get(dependency)
            if waiting is None:
                self.dependants[dependency] = [task.seq]
            elif waiting[-1] < task.seq:
                waiting.append(task.seq)
            else:
                insort(waiting, task.seq)

    def detach(self, task: Task) -> None:
        """A record has left the table of live tasks. Its key stays taken by its stub."""
        del self.by_seq[task.seq]
        self.seqs.remove(task.seq)
        self.live_bytes -= len(task.args)
        for dependency in task.after:
            waiting = self.dependants[dependency]
            del waiting[bisect_left(waiting, task.seq)]
            if not waiting:
                del self.dependants[dependency]

    def enter(self, task: Task) -> None:
        """Derived tables of its state."""
        state = task.state
        name = state + task.queue
        self.counts[name] = self.counts.get(name, 0) + 1
        if state is READY:
            self.ready.add(task)
        elif state is RUNNING:
            self.running.setdefault(task.peer, {})[task.id] = task
            if task.due_ms:
                self.timers.add(task)
        elif state is SCHEDULED:
            self.timers.add(task)

    def leave(self, task: Task) -> None:
        """The reverse of `enter`, before the record changes."""
        state = task.state
        name = state + task.queue
        if self.counts[name] == 1:
            del self.counts[name]
        else:
            self.counts[name] -= 1
        if state is READY:
            self.ready.remove(task, self.handlers.records)
        elif state is RUNNING:
            held = self.running[task.peer]
            del held[task.id]
            if not held:
                del self.running[task.peer]
            if task.due_ms:
                self.timers.remove(task)
        elif state is SCHEDULED:
            self.timers.remove(task)

    # --- stubs ----------------------------------------------------------------------------------------------------
    def attach_stub(self, stub: Ended) -> None:
        self.live_bytes += stub.size
        if stub.key:
            self.keys[stub.namespace, stub.key] = stub.id
        if stub.end_seq:
            self.ageing.append((stub.until_elapsed, stub.id, stub.end_seq))
        if stub.telling is Telling.OWED:
            self.telling.append((stub.id, stub.end_seq))

    def detach_stub(self, stub: Ended) -> None:
        self.live_bytes -= stub.size
        if stub.key:
            del self.keys[stub.namespace, stub.key]

    def sort_stubs(self) -> None:
        """After a restore, in which stubs came in any order."""
        self.ageing = deque(sorted(self.ageing, key=lambda waiting: waiting[2]))
        self.telling = deque(sorted(self.telling, key=lambda waiting: waiting[1]))
