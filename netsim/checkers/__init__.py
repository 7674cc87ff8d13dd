"""What must hold at every step of every run and at its end, one file per promise or family.

Law: a checker knows nothing of how peers work; it looks at what they did, said and flushed. Each has a mistake planted
that it is seen to catch (`tests/netsim/checkers/test_planted.py`).
"""

from quorate.netsim.checkers.alarms import NoFalseAlarm
from quorate.netsim.checkers.answers import AnsweredOnce
from quorate.netsim.checkers.attempts import OneHolder, RisingFences
from quorate.netsim.checkers.checker import Checker
from quorate.netsim.checkers.claiming import ClaimedInTime
from quorate.netsim.checkers.commits import Commits, FlushedMajority
from quorate.netsim.checkers.dependencies import Dependencies
from quorate.netsim.checkers.durable import DurableLogs
from quorate.netsim.checkers.elections import LeaderCompleteness, OneLeader
from quorate.netsim.checkers.handlers import BegunRightly, HandlersStopped, HandlersWarned
from quorate.netsim.checkers.linearizable import Linearizable
from quorate.netsim.checkers.matching import LogMatching
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.reads import ReadsSeeAcknowledged
from quorate.netsim.checkers.record import Record
from quorate.netsim.checkers.results import OneResult
from quorate.netsim.checkers.retries import RetriesKept
from quorate.netsim.checkers.sessions import TrustEndsFirst
from quorate.netsim.checkers.settling import HEAL_WITHIN_S, HistoriesEqual, ReplicasConverge, TasksEnd
from quorate.netsim.checkers.states import EqualStates, FullStates
from quorate.netsim.checkers.story import Story
from quorate.netsim.checkers.submissions import AcceptedKept, NeverDoubled, RefusedNeverApplied
from quorate.netsim.checkers.waiting import WaitersWoken
from quorate.netsim.checkers.watch import Watch
from quorate.netsim.world import World


def standard(world: World, record: Record) -> list[Checker]:
    """All of them, before anything of the world has started. Each step of a peer goes to each, in this order: the
    first two say what the step has changed.
    """
    progress, logs = Progress(), DurableLogs(world)
    story, commits = Story(progress), Commits(progress, logs)
    return [
        progress,
        story,
        LogMatching(logs),
        commits,
        FlushedMajority(progress, logs),
        OneLeader(progress),
        LeaderCompleteness(progress, logs, commits),
        EqualStates(progress),
        FullStates(world, progress),
        RisingFences(world, story),
        OneHolder(story),
        OneResult(world, story),
        RetriesKept(story),
        Dependencies(story),
        BegunRightly(world, progress, story),
        HandlersStopped(progress),
        HandlersWarned(progress),
        TrustEndsFirst(world, story),
        NeverDoubled(story, record),
        AcceptedKept(world, progress, story, record),
        RefusedNeverApplied(story, record),
        AnsweredOnce(world, progress, record),
        ReadsSeeAcknowledged(story, record),
        Linearizable(record),
        WaitersWoken(progress, story),
        ClaimedInTime(world, progress),
        NoFalseAlarm(progress),
        ReplicasConverge(world),
        TasksEnd(world),
        HistoriesEqual(world),
    ]


def of_unfinished(world: World, record: Record) -> list[Checker]:
    """As `standard`, for runs that may leave tasks without an end."""
    return [checker for checker in standard(world, record) if not isinstance(checker, TasksEnd)]


__all__ = [
    "HEAL_WITHIN_S",
    "Checker",
    "Record",
    "Watch",
    "of_unfinished",
    "standard",
]
