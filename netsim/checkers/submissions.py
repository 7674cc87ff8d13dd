"""What an answer means (promises 1, 6, 7): done is there and stays, refused never happened, repeated is not doubled.

Laws:
- What was acknowledged is found on every peer whose state has come so far: at once, right after a restart or an
  installed snapshot, and at the end.
- Of a refused submission no task is ever accepted.
- A task is accepted once, and a key belongs to one task, in the log as in what clients are told.
"""

from quorate.consensus.commands import Done, Refused
from quorate.consensus.events import TaskEvent
from quorate.consensus.peer import Peer
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.record import Record
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World
from quorate.scheduling.task import TaskId


class AcceptedKept:
    name = "accepted_kept"
    looks = Looks.CHANGES

    def __init__(self, world: World, progress: Progress, story: Story, record: Record) -> None:
        self._world = world
        self._progress = progress
        self._story = story
        self._record = record
        self._read = 0
        self._accepted: dict[TaskId, int] = {}
        """The entry that accepted it, or the first that is known to have it."""
        self._untold: list[tuple[TaskId, int, str]] = []
        """Acknowledged by a process that died before it told of the entry: another has to. With that entry, and what
        to say if nobody does."""
        self._to_look_at: set[str] = set()

    def step(self, machine: Machine) -> None:
        self._read_on()
        now = self._progress.now
        if now.restored:
            self._to_look_at.add(machine.id)
        if machine.id in self._to_look_at and now.peer is not None and now.peer.history_complete:
            self._to_look_at.discard(machine.id)
            self._look(now.peer)

    def _read_on(self) -> None:
        told = self._record.told
        if self._untold:
            self._ask_again()
        while self._read < len(told):
            asked = told[self._read]
            self._read += 1
            if isinstance(asked.outcome, Done):
                self._take(asked.key, asked.peer, asked.index, asked.outcome)

    def _take(self, key: str, peer: str, index: int, done: Done) -> None:
        for value in done.value:
            task = TaskId(value)
            entry = self._story.accepted.get(task)
            what = f"{peer} acknowledged {key!r} as {task} at {index}; no entry accepts it"
            if entry is None and index > self._story.upto:
                self._untold.append((task, index, what))
            elif entry is None or 0 < index < entry:
                raise Violation(self.name, what)
            else:
                self._accepted[task] = entry

    def _ask_again(self) -> None:
        untold, self._untold = self._untold, []
        for task, index, what in untold:
            entry = self._story.accepted.get(task)
            if entry is not None and entry <= index:
                self._accepted[task] = entry
            elif index > self._story.upto:
                self._untold.append((task, index, what))
            else:
                raise Violation(self.name, what)

    def _look(self, peer: Peer) -> None:
        reached = peer.machine.index
        for task, entry in self._accepted.items():
            if entry <= reached and peer.find(task) is None:
                raise Violation(self.name, f"task {task} was acknowledged and is gone on {peer.id}, at {reached}")

    def end(self) -> None:
        self._read_on()
        for _, _, what in self._untold:
            raise Violation(self.name, what)
        for machine in self._world.live():
            assert machine.peer is not None
            self._look(machine.peer)


class RefusedNeverApplied:
    name = "refused_never_applied"
    looks = Looks.CHANGES

    def __init__(self, story: Story, record: Record) -> None:
        self._story = story
        self._record = record
        self._read = 0
        self._refused: dict[TaskId, str] = {}

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - clients and story are of all
        for at, _, event in self._story.new:
            if event.kind == "submitted" and isinstance(event, TaskEvent) and event.task in self._refused:
                self._raise(event.task, at)
        self._read_on()

    def _read_on(self) -> None:
        told = self._record.told
        while self._read < len(told):
            asked = told[self._read]
            self._read += 1
            if not isinstance(asked.outcome, Refused):
                continue
            for task in asked.ids:
                self._refused[task] = asked.outcome.reason
                if task in self._story.accepted:
                    self._raise(task, self._story.accepted[task])

    def _raise(self, task: TaskId, at: int) -> None:
        raise Violation(self.name, f"task {task} was refused ({self._refused[task]}) and accepted in entry {at}")

    def end(self) -> None:
        self._read_on()


class NeverDoubled:
    name = "never_doubled"
    looks = Looks.STORY

    def __init__(self, story: Story, record: Record) -> None:
        self._story = story
        self._record = record
        self._read = 0
        self._ids: set[TaskId] = set()
        self._keys: dict[tuple[str, str], TaskId] = {}
        self._told: dict[str, str] = {}

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        self._read_on()
        for at, _, event in self._story.new:
            if event.kind != "submitted" or not isinstance(event, TaskEvent):
                continue
            if event.task in self._ids:
                raise Violation(self.name, f"entry {at} accepts task {event.task}, which was accepted before")
            self._ids.add(event.task)
            key = event.record.key
            if key and self._keys.setdefault((event.namespace, key), event.task) != event.task:
                raise Violation(
                    self.name,
                    f"entry {at} accepts {event.task} under key {key!r} of {self._keys[event.namespace, key]}",
                )

    def _read_on(self) -> None:
        told = self._record.told
        while self._read < len(told):
            asked = told[self._read]
            self._read += 1
            if asked.do == "submit" and isinstance(asked.outcome, Done):
                first = self._told.setdefault(asked.key, asked.outcome.value[0])
                if first != asked.outcome.value[0]:
                    raise Violation(self.name, f"key {asked.key} gave {first}, and later {asked.outcome.value[0]}")

    def end(self) -> None:
        self._read_on()
