"""The machine beside a dumb model of it."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quorate.consensus.commands import (
    Again,
    Applied,
    Cancel,
    Claim,
    CloseSession,
    Command,
    Configure,
    Done,
    Finish,
    Found,
    GiveBack,
    Limits,
    MakeReady,
    OpenSession,
    Refused,
    RenewSession,
    SessionInfo,
    SetError,
    SetResult,
    Staged,
    Submit,
)
from quorate.scheduling.task import ENDED, Retry, Task, TaskError
from tests.consensus.machine.log import Log, check, encode, id_of, new
from tests.consensus.machine.model import LIVE, Model, ModelTask

PEERS = st.sampled_from("abc")
POISON_LIMIT = 2
RULE = Retry(max=1, schedule=(1,))


class BesideTheModel(RuleBasedStateMachine):
    """Every rule is one entry. The submitter knows history, as a peer would."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.model = Model(POISON_LIMIT)
        self.incarnations = dict.fromkeys("abc", 1)
        self.history: dict[str, Task] = {}
        self.log.done(Configure(Limits(poison_limit=POISON_LIMIT)))
        self.model.elapsed, self.model.wall_ms = self.log.elapsed, self.log.wall_ms

    def entry(self, command: Command | None, peer: str = "a") -> Applied | None:
        """Both clocks move; the machine applies; the caller then tells the model, before `settle`."""
        ops = [] if command is None else [self.log.op(command, peer, self.incarnations[peer])]
        change = self.log.entry(ops)
        self.history.update({row.id: row for row in change.ended})
        self.model.elapsed, self.model.wall_ms = self.log.elapsed, self.log.wall_ms
        if command is not None:
            self.model.shows_life(peer, self.incarnations[peer])
        return change.answers[0][3] if change.answers else None

    def refused(self, command: Command, peer: str = "a") -> None:
        """Refused; that nothing has changed but by time is seen by the invariants, which compare with the model."""
        assert isinstance(self.entry(command, peer), Refused)
        self.model.pass_time()

    def done(self, command: Command, peer: str = "a") -> list[str]:
        outcome = self.entry(command, peer)
        assert isinstance(outcome, Done), outcome
        return outcome.value

    def drawn(self, data: st.DataObject, *states: str) -> ModelTask | None:
        numbers = [task.number for task in self.model.tasks.values() if not states or task.state in states]
        return self.model.tasks[data.draw(st.sampled_from(numbers))] if numbers else None

    @rule(
        data=st.data(),
        priority=st.sampled_from((0, 0, 3, -100)),
        held=st.booleans(),
        later_ms=st.sampled_from((0, 0, 2_000)),
        timeout_ms=st.sampled_from((0, 500, 300_000)),
        retry=st.sampled_from((None, RULE)),
        run_after_failure=st.booleans(),
    )
    def submit(
        self,
        data: st.DataObject,
        priority: int,
        held: bool,
        later_ms: int,
        timeout_ms: int,
        retry: Retry | None,
        run_after_failure: bool,
    ) -> None:
        number = len(self.model.tasks) + 1
        recent = list(self.model.tasks)[-6:]
        after = tuple(data.draw(st.lists(st.sampled_from(recent), max_size=3, unique=True))) if recent else ()
        not_before_ms = self.log.wall_ms + later_ms if later_ms else 0
        asked = new(
            number,
            after=after,
            priority=priority,
            held=held,
            not_before_ms=not_before_ms,
            timeout_ms=timeout_ms,
            retry=retry,
            run_after_failure=run_after_failure,
        )
        rows = [self.history[id_of(one)] for one in after if id_of(one) in self.history]
        found = tuple([Found(row.id, row.state, row.result) for row in rows if row.state in ENDED])
        assert self.done(Submit((asked,), self.log.machine.index, found)) == [id_of(number)]
        retries = retry.max if retry else 0
        task = ModelTask(number, after, priority, not_before_ms, timeout_ms, retries, run_after_failure)
        self.model.submit(task, held)
        self.model.pass_time()

    @rule(peer=PEERS, newer=st.sampled_from((0, 0, 1)), ttl_ms=st.sampled_from((2_000, 5_000)), slots=st.integers(1, 3))
    def open(self, peer: str, newer: int, ttl_ms: int, slots: int) -> None:
        self.incarnations[peer] += newer
        self.done(OpenSession(peer, self.incarnations[peer], ttl_ms, SessionInfo("", slots, ("h",))), peer)
        self.model.open(peer, self.incarnations[peer], ttl_ms, slots)
        self.model.pass_time()

    @rule(peer=PEERS, leave=st.sampled_from((False, False, True)))
    def renew_or_leave(self, peer: str, leave: bool) -> None:
        incarnation = self.incarnations[peer]
        command = CloseSession(peer, incarnation) if leave else RenewSession(peer, incarnation, 3)
        if peer not in self.model.sessions:
            self.refused(command, peer)
            return
        self.done(command, peer)
        if leave:
            self.model.close(peer)
        else:
            self.model.renew(peer)
            self.model.sessions[peer].slots = 3
        self.model.pass_time()

    @rule(data=st.data(), peer=PEERS, wrong=st.sampled_from((0, 0, 0, 1)))
    def claim(self, data: st.DataObject, peer: str, wrong: int) -> None:
        task = self.drawn(data, "ready") or self.drawn(data)
        if task is None:
            return
        session = self.model.sessions.get(peer)
        command = Claim(peer, self.incarnations[peer], ((id_of(task.number), task.attempt + wrong),))
        if session is None or session.expires <= self.log.elapsed + 1:
            self.refused(command, peer)
            return
        (fence,) = self.done(command, peer)
        assert bool(fence) == self.model.may_claim(task.number, task.attempt + wrong, peer)
        if fence:
            self.model.claim(task.number, peer)
            assert int(fence) == self.model.fence
        self.model.pass_time()

    @rule(
        data=st.data(),
        how=st.sampled_from(("succeed", "succeed", "fail", "give back")),
        stale=st.sampled_from((0, 0, 1)),
    )
    def finish(self, data: st.DataObject, how: str, stale: int) -> None:
        task = self.drawn(data, "running")
        if task is None:
            return
        endings: dict[str, Staged] = {
            "succeed": SetResult(b"1"),
            "fail": SetError(TaskError("Broken", "it broke"), 700),
            "give back": GiveBack("full"),
        }
        command = Finish(id_of(task.number), task.fence - stale, (endings[how],))
        if stale:
            self.refused(command)
            return
        self.done(command)
        if how == "succeed":
            self.model.end(task, "succeeded")
        elif how == "fail":
            self.model.fail(task, 700)
        else:
            self.model.put_back(task)
        self.model.pass_time()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = self.drawn(data)
        if task is None:
            return
        outcome = self.entry(Cancel(id_of(task.number)))
        if task.state in LIVE:
            assert outcome == Done()
            self.model.end(task, "cancelled")
        self.model.pass_time()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        task = self.drawn(data, "held") or self.drawn(data)
        if task is None:
            return
        if task.state != "held":
            self.refused(MakeReady(id_of(task.number)))
            return
        self.done(MakeReady(id_of(task.number)))
        self.model.release(task)
        self.model.pass_time()

    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        task = self.drawn(data, "failed") or self.drawn(data)
        if task is None:
            return
        row = self.history.get(id_of(task.number))
        record = encode(row) if row is not None else b""
        rows = [self.history[id_of(one)] for one in task.after if id_of(one) in self.history]
        found = tuple([Found(one.id, one.state, one.result) for one in rows])
        command = Again(id_of(task.number), record, self.log.machine.index, found)
        if task.state != "failed":
            self.refused(command)
            return
        self.done(command)
        self.model.again(task)
        self.model.pass_time()

    @rule(ms=st.sampled_from((100, 1_000, 3_000, 6_000, 20_000)))
    def wait(self, ms: int) -> None:
        self.log.elapsed += ms
        self.log.wall_ms += ms
        self.entry(None)
        self.model.pass_time()

    @rule()
    def a_new_leader(self) -> None:
        self.log.elapsed += 10_000
        change = self.log.entry([], fresh=True)
        self.history.update({row.id: row for row in change.ended})
        self.model.elapsed, self.model.wall_ms = self.log.elapsed, self.log.wall_ms
        for peer in self.model.sessions:
            self.model.renew(peer)
        self.model.pass_time()

    @invariant()
    def every_task_is_where_the_model_has_it(self) -> None:
        machine = self.log.machine
        for number, expected in self.model.tasks.items():
            task = machine.tasks.get(id_of(number)) or self.history[id_of(number)]
            seen = (str(task.state), task.attempt, task.fence, task.failures, task.deaths, task.unmet)
            waits = len(expected.waits) if expected.state in LIVE else task.unmet
            assert seen == (
                expected.state,
                expected.attempt,
                expected.fence,
                expected.failures,
                expected.deaths,
                waits,
            ), f"task {number}"
        assert sorted(machine.sessions) == sorted(self.model.sessions)

    @invariant()
    def the_order_is_that_of_the_model(self) -> None:
        head = self.log.machine.ready_head(("h",), 1_000)
        assert [task.id for task in head] == [id_of(number) for number in self.model.ready_in_order()]

    @precondition(lambda self: len(self.log.entries) % 5 == 0)
    @invariant()
    def the_state_is_sound(self) -> None:
        check(self.log.machine)


TestBesideTheModel = BesideTheModel.TestCase
TestBesideTheModel.settings = settings(stateful_step_count=60)
