"""Each operation of a client is applied once, and its outcome told as often as it is asked.

Law: the outcomes of the numbers from a client's floor on are kept; the floor is its lowest unanswered number, as each
of its operations says. What one entry told one client is one record (it is hashed, kept and dropped as one), so the
table costs little per operation.
"""

from collections import deque

from quorate.consensus.commands import Applied, Op, Refused
from quorate.consensus.machine.records import Client, Told
from quorate.consensus.machine.store import Store

WINDOW = 8192
"""Numbers a client may use from its floor on."""
MAX_CLIENTS = 4096

ANSWERED = Refused("answered", "the client has had its answer")
"""Of a number below the floor: nothing is applied, and nothing told, because what became of it is not known any
more."""

ToldKey = tuple[str, int, int]


class Outcomes:
    """What one client was told; derived from its `Told` records."""

    __slots__ = ("by_number", "groups")

    def __init__(self) -> None:
        self.by_number: dict[int, Applied] = {}
        self.groups: deque[tuple[int, ToldKey]] = deque()
        """(greatest number, key) of each record, in the order of the log."""


class Dedup:
    """The table of clients."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outcomes: dict[str, Outcomes] = {}
        for key in sorted(store.told.records, key=lambda key: key[2]):
            self._index(store.told.records[key])

    def recorded(self, peer: str, incarnation: int, number: int) -> Applied | None:
        """The outcome of an operation, if it was applied and is still kept."""
        client = self._store.clients.records.get(peer)
        if client is None or client.incarnation != incarnation:
            return None
        outcomes = self._outcomes.get(peer)
        return outcomes.by_number.get(number) if outcomes else None

    def admit(self, op: Op, told: dict[str, Told]) -> Applied | None:
        """None: new, to be applied and then `record`ed. Otherwise what to answer; nothing is applied.

        `told`: what the current entry has told so far, by client.
        """
        store = self._store
        client = store.clients.records.get(op.peer)
        refusal = self._superseded(client, op)
        if refusal is not None:
            return refusal
        if client is None or client.incarnation < op.incarnation:
            if client is None and len(store.clients.records) >= MAX_CLIENTS:
                return Refused("too_many_clients", f"there are {MAX_CLIENTS} clients already")
            told.pop(op.peer, None)
            client = self._begin(op)
        elif client.floor < op.floor:
            self._raise_floor(client, op.floor)
        known = self._outcomes.get(op.peer)
        if known is not None and op.number in known.by_number:
            return known.by_number[op.number]
        if op.number < client.floor:
            return ANSWERED
        if op.number >= client.floor + WINDOW:
            return Refused("window", f"number {op.number} is {WINDOW} or more above the lowest unanswered one")
        return None

    def record(self, told: dict[str, Told], op: Op, outcome: Applied) -> None:
        """Keep an outcome; `told` gathers those of the current entry by client, for `keep`."""
        group = told.get(op.peer)
        if group is None:
            told[op.peer] = group = Told(op.peer, op.incarnation, self._store.now.index, [])
        group.answers.append((op.number, outcome))
        outcomes = self._outcomes.get(op.peer)
        if outcomes is None:
            self._outcomes[op.peer] = outcomes = Outcomes()
        outcomes.by_number[op.number] = outcome

    def keep(self, told: dict[str, Told]) -> None:
        """At the end of an entry."""
        for group in told.values():
            key = (group.peer, group.incarnation, group.index)
            self._store.told.put(key, group)
            self._outcomes[group.peer].groups.append((max([number for number, _ in group.answers]), key))

    def _superseded(self, client: Client | None, op: Op) -> Refused | None:
        session = self._store.sessions.records.get(op.peer)
        newest = client.incarnation if client is not None else 0
        if session is not None and session.incarnation > newest:
            newest = session.incarnation
        if op.incarnation >= newest:
            return None
        return Refused("superseded", f"peer {op.peer} lives on as incarnation {newest}, this is {op.incarnation}")

    def _begin(self, op: Op) -> Client:
        """A new life of a peer. What an earlier one was told interests nobody any more."""
        outcomes = self._outcomes.pop(op.peer, None)
        if outcomes is not None:
            for _, key in outcomes.groups:
                self._store.told.drop(key)
        client = Client(op.peer, op.incarnation, op.floor)
        self._store.clients.put(op.peer, client)
        return client

    def _raise_floor(self, client: Client, floor: int) -> None:
        self._store.clients.touch(client.peer)
        client.floor = floor
        outcomes = self._outcomes.get(client.peer)
        if outcomes is None:
            return
        groups = outcomes.groups
        while groups and groups[0][0] < floor:
            _, key = groups.popleft()
            for number, _ in self._store.told.drop(key).answers:
                del outcomes.by_number[number]

    def _index(self, group: Told) -> None:
        outcomes = self._outcomes.setdefault(group.peer, Outcomes())
        outcomes.by_number.update(group.answers)
        key = (group.peer, group.incarnation, group.index)
        outcomes.groups.append((max([number for number, _ in group.answers]), key))
