"""All checkers of a run, each shown the steps it has to see.

Law: whether a step is spared is decided by what the first two of them saw; the verdict is the same as if each were
shown every step.
"""

from collections.abc import Sequence

from quorate.netsim.checkers.checker import Checker, Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.settling import Settling
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.world import World

LOOK_EVERY_S = 0.1
"""Virtual seconds between two looks of who looks now and then, at each machine."""


class Watch:
    """Give it to `world.watchers` as `watch.step`, before anything starts."""

    def __init__(self, world: World, checkers: Sequence[Checker]) -> None:
        progress, story = checkers[:2]
        assert isinstance(progress, Progress)
        assert isinstance(story, Story)
        self._world = world
        self._progress, self._story = progress, story
        self.checkers = checkers
        self._on_change = [checker.step for checker in checkers[2:] if checker.looks is Looks.CHANGES]
        self._on_story = [checker.step for checker in checkers if checker.looks is Looks.STORY]
        self._now_and_then = [checker.step for checker in checkers if checker.looks is Looks.NOW_AND_THEN]
        self._look_at = dict.fromkeys(world.ids, 0.0)
        self._changes = self._stories = self._now_and_thens = self._ends = 0
        """How often each kind of checker has looked."""

    def step(self, machine: Machine) -> None:
        self._progress.step(machine)
        if self._progress.now.changed or self._story.untold:
            self._changed(machine)
        now = self._world.now
        if now >= self._look_at[machine.id]:
            self._look_at[machine.id] = now + LOOK_EVERY_S
            self._now_and_thens += 1
            for step in self._now_and_then:
                step(machine)

    def _changed(self, machine: Machine) -> None:
        self._story.step(machine)
        if self._story.new:
            self._stories += 1
            for step in self._on_story:
                step(machine)
        self._changes += 1
        for step in self._on_change:
            step(machine)

    def missing(self) -> str:
        """What has not settled yet; "": everything has."""
        for checker in self.checkers:
            if isinstance(checker, Settling) and (said := checker.missing()):
                return said
        return ""

    def end(self) -> None:
        """When nothing is missing, or the time to settle is over. Raises Violation."""
        self._ends += 1
        for checker in self.checkers:
            checker.end()

    def made(self) -> dict[str, int]:
        """How often each checker has looked, by name."""
        made = {
            Looks.EVERY_STEP: self._world.steps,
            Looks.NOW_AND_THEN: self._now_and_thens,
            Looks.CHANGES: self._changes,
            Looks.STORY: self._stories,
            Looks.END: self._ends,
        }
        return {checker.name: made[checker.looks] for checker in self.checkers}
