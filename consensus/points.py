"""The places in the code where a process may die with consequences.

Law: every point is named here and reached by a call of `Points.reach` with that name; in production the call does
nothing, in a simulated world it counts and may end the process on the spot.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol


class Points(Protocol):
    def reach(self, point: str) -> None:
        """May never return: the process died here."""


class Unwatched:
    """Production: nothing happens at a point."""

    def reach(self, point: str) -> None:
        """Nothing."""


UNWATCHED = Unwatched()

POINTS: Mapping[str, str] = MappingProxyType(
    {
        # start
        "recover.replay": "the folder is read; the cleaning up and the new life's number are not written yet",
        "recover.restore": "the snapshot is read, the state is not built from it yet",
        "identity.save": "a change of who this folder is, about to be written",
        "founding.claim": "everybody agrees on the map; nobody has it on a disk yet",
        "founding.join": "the founding is known here and not written: the folder still looks unfounded",
        # journal and flushes
        "journal.append": "an entry is about to be recorded; it is in memory only",
        "journal.cut": "a conflict is about to void entries that the journal still holds",
        "journal.reset": "a snapshot stands for the log; the journal still holds the old one",
        "journal.rotate": "a segment is full; the next one has no header yet",
        "journal.prepare": "the next segment is about to be made ahead of need",
        "journal.trim": "whole segments are about to go",
        "term.save": "a term without a vote is about to be recorded",
        "vote.save": "a vote is about to be recorded",
        "flush.submit": "a batch is complete and not handed to the disk",
        "flush.done": "a batch is durable and nothing that waited for it has left",
        "flush.release": "of what waited for one flush, a part has left",
        # snapshots
        "snapshot.begin": "a cut is fixed, nothing of it is written",
        "snapshot.chunk": "a snapshot is written in part",
        "snapshot.rename": "a snapshot is written, and not yet under its name",
        "snapshot.taken": "a snapshot is durable; what it covers is still there",
        "snapshot.drop": "an older snapshot is about to go",
        "compaction.trim": "entries a snapshot covers are about to be forgotten",
        # snapshots from the leader
        "install.receive": "a slice of the leader's snapshot is about to be written",
        "install.rename": "the leader's snapshot is whole, and not yet under its name",
        "install.begin": "the leader's snapshot is durable, the state is still the old one",
        "install.feed": "the new state is built in part",
        "install.finish": "the new state is built; log and state are still the old ones",
        "install.done": "the new state is in force; the log's new beginning is not flushed",
        # elections
        "term.adopt": "a higher term was heard and is not adopted yet",
        "vote.ask": "our own vote is recorded, perhaps not flushed, and the others are about to be asked",
        "vote.grant": "a vote is decided, neither recorded nor told",
        "vote.count": "a vote has come and is not counted",
        "lead.begin": "elected, and nobody else knows of it",
        "lead.end": "leadership is over; what waited for it has not been given back",
        "handover.begin": "a successor is chosen and knows nothing of it",
        "handover.tell": "the successor holds the log and is about to be told",
        "handover.take": "told to take over, not yet campaigning",
        # replication
        "send.append": "entries are about to leave for a follower, perhaps before they are flushed here",
        "send.ack": "entries are flushed here, the leader does not know",
        "send.reject": "the log does not fit, the leader does not know",
        "send.snapshot_chunk": "a slice of a snapshot is about to leave",
        "commit.advance": "more is committed than this peer has remembered",
        "member.admit": "a new disk has caught up and is about to be bound to its peer",
        "read.confirm": "a majority has confirmed an index and the reads are not answered",
        # the state
        "apply.before": "an entry is committed and counted, and not applied",
        "apply.after": "an entry is applied and its callers are answered; the next one is not begun",
        "apply.history": "tasks have ended in the state, their rows are not in history",
        "batch.answer": "an operation of ours is applied, its caller does not know",
        # leading
        "lead.stamp": "leadership is confirmed, the first entry with a time is not proposed",
        "batch.take": "operations have come and are in no log",
        "batch.propose": "a batch is made, and in no log",
        "batch.give_back": "operations that were not taken are about to be given back",
        "op.send": "our operations are about to leave for the leader",
        # work
        "session.renew": "the session is about to be opened or renewed",
        "session.lost": "the session may be given away; handlers do not know",
        "claim.ask": "tasks are chosen, the claim is in no queue",
        "claim.grant": "a claim of ours is applied and nothing has started",
        "work.start": "an attempt is about to be handed to a worker",
        "work.done": "a handler has ended, and nobody but this process knows",
        "work.finish": "a completion is about to be offered",
        # history and divergence
        "gap.ask": "rows are missing and about to be asked for",
        "gap.fill": "rows of another peer have come and are not written",
        "gap.rewrite": "rows the state still holds are about to be written again",
        "divergence.verdict": "the state hashes of a majority are compared, nobody was told",
    }
)
"""Each point, and what is lost, or half done, when the process dies there."""
