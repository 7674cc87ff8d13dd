"""A peer that has a process to itself: `quorate peer`.

Laws: what keeps it from starting is said in words, and nothing was changed. The first SIGTERM or SIGINT, at whatever
moment, lets it leave in peace (exit code 0); a second one ends it at once.
"""

import asyncio
import resource
import signal
from asyncio import FIRST_COMPLETED
from collections.abc import Callable

import structlog

from quorate.consensus.journal_recovery import DamagedJournal, ForeignJournal
from quorate.consensus.machine.walk import DamagedSnapshot
from quorate.consensus.raft.engine import UnauditedEngine
from quorate.consensus.raft.identity import ForeignFolder
from quorate.consensus.raft.recovery import MissingSnapshot
from quorate.consensus.snapshot import BadSnapshot
from quorate.node.boot import Node
from quorate.node.certificate import Untrusted
from quorate.node.config import ClusterConfig
from quorate.node.folder_lock import FolderInUseError
from quorate.node.history.file import HistoryError
from quorate.node.registry import DuplicateHandler, UnusableModule

EXIT_FATAL = 70
"""EX_SOFTWARE: the peer ended because it could no longer be trusted; what the log says first is why."""
SPARE_FILES = 256
"""Beside connections: journal, history, libraries, the pipes of child processes."""

OF_THE_FOLDER = (
    DamagedJournal,
    ForeignJournal,
    ForeignFolder,
    MissingSnapshot,
    BadSnapshot,
    DamagedSnapshot,
    FolderInUseError,
    HistoryError,
)
OF_ITS_SURROUNDINGS = (UnusableModule, DuplicateHandler, UnauditedEngine, Untrusted, OSError)

log = structlog.get_logger("quorate.peer")


class CannotStart(Exception):
    """The peer did not start, and says why; `to_do` is what to mend."""

    def __init__(self, peer_id: str, why: str, to_do: str) -> None:
        super().__init__(f"peer {peer_id} cannot start: {why}")
        self.to_do = to_do


def run(config: ClusterConfig, peer_id: str, *, found: bool = False) -> int:
    """Run one peer until SIGTERM or SIGINT; the process's exit code. Raises CannotStart."""
    _raise_open_file_limit(config)
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            return runner.run(_run(config, peer_id, found))
    except OF_THE_FOLDER as error:
        to_do = f"The data folder is {config.peer(peer_id).data}; its log and snapshots are as they were."
        raise CannotStart(peer_id, str(error), to_do) from error
    except OF_ITS_SURROUNDINGS as error:
        raise CannotStart(peer_id, _words(error), "Mend that and start it again; nothing was changed.") from error


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's where the extra `quorate[uvloop]` is installed: to install it is to ask for it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    faster: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return faster


async def _run(config: ClusterConfig, peer_id: str, found: bool) -> int:
    asked = asyncio.ensure_future(_asked_to_stop())
    await asyncio.sleep(0)  # the signals are ours from here on
    node = Node(config, peer_id, found=found)
    starting = asyncio.ensure_future(node.start())
    await asyncio.wait([starting, asked], return_when=FIRST_COMPLETED)
    if asked.done() and starting.cancel():
        await asyncio.wait([starting])
        return 0
    await starting
    ended = asyncio.ensure_future(node.ended())
    await asyncio.wait([ended, asked], return_when=FIRST_COMPLETED)
    asked.cancel()
    await node.stop()
    return EXIT_FATAL if ended.done() else 0


async def _asked_to_stop() -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
    log.info("stopping", hint="asked once more, the process ends at once; nothing acknowledged is lost")
    for number in numbers:
        loop.remove_signal_handler(number)


def _raise_open_file_limit(config: ClusterConfig) -> None:
    """Each connection is an open file, and systems start programs with few."""
    needed = 2 * config.limits.connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    if most < needed:
        log.warning("few_open_files", limit=most, needed=needed, hint="raise `ulimit -Hn`, or lower `connections`")


def _words(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
