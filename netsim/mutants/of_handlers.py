"""Mistakes in what handlers are given and told."""

from collections.abc import Sequence

from quorate.consensus.attempts import Attempts
from quorate.consensus.divergence import Divergence
from quorate.consensus.events import Event
from quorate.consensus.machine import Machine, derived, stubs
from quorate.consensus.machine.records import Ended
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.timers import Timers
from quorate.consensus.proctor import Proctor
from quorate.netsim.mutants.of_replication import always
from quorate.netsim.patch import Patching
from quorate.scheduling.task import Task


def begin_without_a_trusted_session(patch: Patching) -> None:
    """What was granted is begun, however long ago."""
    start = Attempts._start

    def start_trusting(self: Attempts, task: Task, fence: int) -> None:
        trusted = Proctor.trusted
        Proctor.trusted = always(True)  # type: ignore[method-assign]  # for this one call
        start(self, task, fence)
        Proctor.trusted = trusted  # type: ignore[method-assign]  # as it was

    patch.setattr(Attempts, "_start", start_trusting)


def begin_an_attempt_twice(patch: Patching) -> None:
    """A grant that is seen again is begun again."""
    start = Attempts._start

    def twice(self: Attempts, task: Task, fence: int) -> None:
        start(self, task, fence)
        if self._held.pop(task.id, None) is not None:
            start(self, task, fence)

    patch.setattr(Attempts, "_start", twice)


def let_what_was_taken_away_run_on(patch: Patching) -> None:
    """A handler is not told that its attempt counts no more."""
    follow = Attempts.follow

    def unmoved(self: Attempts, events: Sequence[Event]) -> None:
        follow(self, [event for event in events if event.kind == "running"])

    patch.setattr(Attempts, "follow", unmoved)


def keep_the_loss_of_a_session_secret(patch: Patching) -> None:
    """Handlers are not told that what they hold may be given away."""
    patch.setattr(Attempts, "lost", always(None))


def never_take_an_attempt_away(patch: Patching) -> None:
    """A handler that does not end is waited for."""
    add, remove = Timers.add, Timers.remove

    def add_others(self: Timers, task: Task) -> None:
        if self._kind(task) is not self.attempts:
            add(self, task)

    def remove_others(self: Timers, task: Task) -> None:
        if self._kind(task) is not self.attempts:
            remove(self, task)

    patch.setattr(Timers, "add", add_others)
    patch.setattr(Timers, "remove", remove_others)


def forget_a_result_somebody_waits_for(patch: Patching) -> None:
    """What has ended goes when its time has passed, whoever still depends on it."""

    def is_spent(store: Store, stub: Ended) -> bool:
        return stub.until_elapsed <= store.now.elapsed

    patch.setattr(stubs, "is_spent", is_spent)
    patch.setattr(derived, "is_spent", is_spent)


def hand_over_no_results(patch: Patching) -> None:
    """A handler is not given what its task has waited for."""
    patch.setattr(Machine, "results_for", always({}))


def never_try_again(patch: Patching) -> None:
    """The first failure is the last."""
    patch.setattr(Attempts, "_retry_ms", always(None))


def cry_wolf(patch: Patching) -> None:
    """A peer believes that its state differs from the others', which it does not."""
    applied = Divergence.applied

    def mistaken(self: Divergence, before: int, index: int, machine: Machine) -> None:
        applied(self, before, index, machine)
        if index == 100 and self._settings.me == "b":
            self._quarantine("a slip")

    patch.setattr(Divergence, "applied", mistaken)
