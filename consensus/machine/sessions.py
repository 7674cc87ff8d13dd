"""Sessions: the life sign of a peer, on which all it holds hangs.

Law: a session lasts by elapsed time only, and a new leader's first entry renews every one in full. When it ends,
whatever it held is ready again in the same entry. A session can hold no more than one entry may put back.
"""

from quorate.consensus.commands import Applied, CloseSession, Done, OpenSession, Refused, RenewSession
from quorate.consensus.events import SessionEvent
from quorate.consensus.machine.deaths import note_death
from quorate.consensus.machine.moves import put_back
from quorate.consensus.machine.records import Handler, Session
from quorate.consensus.machine.store import Store
from quorate.scheduling.task import Task

MAX_SESSIONS = 1_000
MAX_HANDLERS = 10_000

DONE = Done()


def open_session(store: Store, command: OpenSession) -> Applied:
    session = store.sessions.records.get(command.peer)
    if session is not None and session.incarnation > command.incarnation:
        return Refused("superseded", f"peer {command.peer} has a session of incarnation {session.incarnation}")
    if session is None and len(store.sessions.records) >= MAX_SESSIONS:
        return Refused("too_many_sessions", f"there are {MAX_SESSIONS} sessions already")
    fresh = [name for name in dict.fromkeys(command.info.handlers) if name not in store.handlers.records]
    if len(store.handlers.records) + len(fresh) > MAX_HANDLERS:
        return Refused("too_many_handlers", f"more than {MAX_HANDLERS} handler names", "handlers")
    for name in fresh:
        store.handlers.put(name, Handler(name))
    if session is not None and session.incarnation == command.incarnation:
        _update(store, session, command)
        return DONE
    if session is not None:
        die(store, session, "replaced")
    expires = store.now.elapsed + command.ttl_ms
    info = command.info
    store.sessions.put(
        command.peer, Session(command.peer, command.incarnation, command.ttl_ms, expires, info, info.slots)
    )
    _tell(store, "opened", command.peer, command.incarnation)
    return DONE


def _update(store: Store, session: Session, command: OpenSession) -> None:
    store.sessions.touch(session.peer)
    changed = session.info != command.info
    session.ttl_ms, session.info, session.slots = command.ttl_ms, command.info, command.info.slots
    session.expires_elapsed = store.now.elapsed + session.ttl_ms
    if changed:
        _tell(store, "renewed", session.peer, session.incarnation)


def renew(store: Store, command: RenewSession) -> Applied:
    session = store.sessions.records.get(command.peer)
    if session is None or session.incarnation != command.incarnation:
        return _no_session(command)
    store.sessions.touch(session.peer)
    session.slots = command.slots
    session.expires_elapsed = store.now.elapsed + session.ttl_ms
    return DONE


def close(store: Store, command: CloseSession) -> Applied:
    """In peace: what it still holds is put back, and nobody has died."""
    session = store.sessions.records.get(command.peer)
    if session is None or session.incarnation != command.incarnation:
        return _no_session(command)
    for task in held_by(store, session):
        put_back(store, task, "requeued", f"peer {session.peer} left")
    store.sessions.drop(session.peer)
    _tell(store, "closed", session.peer, session.incarnation)
    return DONE


def renew_all(store: Store) -> None:
    """A new leader's first entry: nobody is to suffer for the time without one."""
    for peer, session in store.sessions.records.items():
        store.sessions.touch(peer)
        session.expires_elapsed = store.now.elapsed + session.ttl_ms


def first_to_expire(store: Store) -> Session | None:
    """Of few sessions, so a search is enough; of two the one whose peer's name is less."""
    first: Session | None = None
    for session in store.sessions.records.values():
        if (
            first is None
            or session.expires_elapsed < first.expires_elapsed
            or (session.expires_elapsed == first.expires_elapsed and session.peer < first.peer)
        ):
            first = session
    return first


def expire_one(store: Store, budget: int) -> int:
    """End the session that is due first, as derived work; what it cost. 0: none is due, or the rest of the budget is
    too small."""
    session = first_to_expire(store)
    if session is None or session.expires_elapsed > store.now.elapsed:
        return 0
    cost = 1 + session.running
    if cost > budget:
        return 0
    die(store, session, "expired")
    return cost


def die(store: Store, session: Session, kind: str) -> None:
    """An end without a word. What it held goes back, or into quarantine."""
    note_death(store, session, held_by(store, session))
    store.sessions.drop(session.peer)
    _tell(store, kind, session.peer, session.incarnation)


def held_by(store: Store, session: Session) -> list[Task]:
    """Its attempts, in order of acceptance of their tasks."""
    return sorted(store.running.get(session.peer, {}).values(), key=lambda task: task.seq)


def _tell(store: Store, kind: str, peer: str, incarnation: int) -> None:
    store.events.append(SessionEvent(kind, peer, incarnation, store.now.stamp))


def _no_session(command: RenewSession | CloseSession) -> Refused:
    return Refused("no_session", f"peer {command.peer} has no session of incarnation {command.incarnation}")
