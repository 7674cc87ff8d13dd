"""Random traffic for a machine, from a seed: every command, right and wrong ones, in entries of several operations."""

from random import Random

from quorate.consensus.commands import (
    Again,
    Cancel,
    Claim,
    CloseSession,
    Command,
    Configure,
    Finish,
    Found,
    GiveBack,
    Limits,
    MakeReady,
    OpenSession,
    RenewSession,
    SessionInfo,
    SetError,
    SetResult,
    Stage,
    Submit,
)
from quorate.scheduling.task import NewTask, Retry, State, TaskError, TaskId
from tests.consensus.machine.log import Log, id_of, new

PEERS = ("a", "b", "c", "d")
TTLS = (1_000, 2_000, 5_000)


class Traffic:
    """Makes the next entry from what the machine shows, as peers would, with mistakes."""

    def __init__(self, seed: int) -> None:
        self.log = Log()
        self.chance = Random(seed)
        self.last = 0
        self.incarnations = dict.fromkeys(PEERS, 1)

    def step(self) -> None:
        chance, log = self.chance, self.log
        skip = chance.choice((0, 0, 1, 10, 300, 1_500, 16_000 if chance.random() < 0.1 else 1))
        log.elapsed += skip
        log.wall_ms += skip if chance.random() < 0.9 else -chance.randrange(1_000)
        ops = []
        for _ in range(chance.choice((0, 1, 1, 2, 5))):
            peer = chance.choice(PEERS)
            command = self.command(peer)
            ops.append(log.op(command, peer, self.incarnations[peer] - (chance.random() < 0.02)))
        log.entry(ops, fresh=chance.random() < 0.03)

    def command(self, peer: str) -> Command:
        incarnation = self.incarnations[peer]
        kind = self.chance.choice((*"ssssccccccccffffffffxargoorn", "k" if self.chance.random() < 0.2 else "n"))
        match kind:
            case "s":
                return Submit(self.tasks(), self.log.machine.index - self.chance.choice((0, 0, 0, 9)), self.found())
            case "c":
                return Claim(peer, incarnation, self.wanted())
            case "f":
                return self.finish()
            case "x":
                return Cancel(self.some_id(), "enough")
            case "a":
                return Again(self.some_id())
            case "g":
                return MakeReady(self.some_id(), self.chance.choice((None, self.log.wall_ms + 500)))
            case "o":
                self.incarnations[peer] += self.chance.choice((0, 0, 1))
                info = SessionInfo("", self.chance.choice((1, 3, 9)), ("h", "g"))
                return OpenSession(peer, self.incarnations[peer], self.chance.choice(TTLS), info)
            case "r" | "n":
                return RenewSession(peer, incarnation, 5)
            case _:
                return self.chance.choice(
                    (CloseSession(peer, incarnation), Configure(Limits(poison_limit=self.chance.choice((1, 2, 5)))))
                )

    def tasks(self) -> tuple[NewTask, ...]:
        return tuple([self.new_task() for _ in range(self.chance.choice((1, 1, 2, 4)))])

    def new_task(self) -> NewTask:
        chance = self.chance
        self.last += 1
        after = sorted(
            {chance.randrange(max(1, self.last - 12), self.last + 1) for _ in range(chance.choice((0, 0, 1, 3)))}
        )
        return new(
            self.last,
            after=[one for one in after if one != self.last],
            handler=chance.choice("hg"),
            queue=chance.choice(("default", "slow")),
            priority=chance.choice((0, 0, 5, -100, 100)),
            key=chance.choice(("", "", f"k{chance.randrange(40)}")),
            held=chance.random() < 0.1,
            not_before_ms=chance.choice((0, 0, self.log.wall_ms + chance.randrange(3_000))),
            timeout_ms=chance.choice((0, 100, 300_000)),
            run_after_failure=chance.random() < 0.4,
            retry=chance.choice((None, Retry(max=2), Retry(max=1, schedule=(0.5,), on=("Broken",)))),
            labels=chance.choice((None, {"b": "1", "a": "2"})),
        )

    def found(self) -> tuple[Found, ...]:
        """History, as it were: what has ended and has no stub any more."""
        machine = self.log.machine
        recent = [id_of(number) for number in range(max(1, self.last - 12), self.last + 1)]
        gone = [one for one in recent if one not in machine.tasks and one not in machine.ended]
        return tuple([Found(one, self.chance.choice((State.SUCCEEDED, State.FAILED)), b"1") for one in gone])

    def wanted(self) -> tuple[tuple[TaskId, int], ...]:
        ready = self.log.machine.ready_head(("h", "g"), 4)
        return tuple([(task.id, task.attempt + (self.chance.random() < 0.1)) for task in ready])

    def finish(self) -> Finish:
        chance = self.chance
        running = [task for peer in PEERS for task in self.log.machine.running_on(peer)]
        if not running:
            return Finish(id_of(1), 1, (SetResult(b"1"),))
        task = chance.choice(sorted(running, key=lambda task: task.seq))
        ending = chance.choice(
            (
                (SetResult(b'{"n":1}'),),
                (SetError(TaskError("Broken", "it broke"), chance.choice((None, 0, 400))),),
                (GiveBack("full"),),
                (Stage(self.tasks(), self.log.machine.index, self.found()), SetResult(b"2")),
            )
        )
        return Finish(task.id, task.fence - (chance.random() < 0.1), ending)

    def some_id(self) -> TaskId:
        return id_of(self.chance.randrange(max(1, self.last - 20), self.last + 2))
