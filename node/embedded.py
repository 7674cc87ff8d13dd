"""A peer inside somebody's own program: `quorate.Peer`.

Law: it behaves as the `quorate peer` process does, without touching the host's signals, logging or event loop policy.
In an asyncio program it runs on the running loop (`async with`); anywhere else on a thread of its own (`with`).
What it does set for the whole interpreter, because its heartbeats depend on it: the switch interval of threads, the
garbage collector's thresholds, and that what is loaded at its start is not walked by collections any more
(`gc.freeze`). With handlers of the file's `modules`, the file's folder is put on `sys.path`.
"""

import asyncio
import threading
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType

from quorate.node.boot import Node
from quorate.node.config import ClusterConfig, load, validated
from quorate.scheduling.handler import Declared, Handler


class Peer:
    """One peer of a cluster, embedded.

    config: the cluster file's path, or a loaded `ClusterConfig`. peer_id: which of its peers this process is.
    handlers: functions decorated with `@quorate.task`, besides those of the file's `modules`. found: found the cluster
    without hearing every listed peer.

    ```python
    async with quorate.Peer("cluster.yaml", "a", handlers=[charge]) as peer: ...   # in an asyncio program
    with quorate.Peer("cluster.yaml", "a", handlers=[charge]) as peer: ...         # in any other
    ```
    Raises ConfigError for a file that cannot work; on start OSError for a folder or port that cannot be used,
    UnusableModule for handlers that cannot be loaded, and what names the damage for a data folder that is not sound.
    """

    def __init__(
        self,
        config: ClusterConfig | str | PathLike[str],
        peer_id: str,
        handlers: Iterable[Handler | Declared] = (),
        *,
        found: bool = False,
    ) -> None:
        self.config = validated(config, peer_id) if isinstance(config, ClusterConfig) else load(Path(config), peer_id)
        self.id = peer_id
        self._handlers = tuple(handlers)
        self._found = found
        self._node: Node | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._started = threading.Event()

    @property
    def url(self) -> str:
        """Where this peer answers HTTP: an endpoint for `quorate.Client([peer.url])`."""
        return f"{self.config.http_scheme}://{self.config.peer(self.id).http}"

    # --- in an asyncio program --------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._node = Node(self.config, self.id, self._handlers, found=self._found)
        await self._node.start()

    async def stop(self) -> None:
        """Graceful, within the file's `stop_s`. Nothing happens if it does not run."""
        node, self._node = self._node, None
        if node is not None:
            await node.stop()

    async def ended(self) -> BaseException:
        """Returns if the peer ends by itself (its disk failed, say), with the reason."""
        if self._node is None:
            raise RuntimeError("the peer does not run")
        return await self._node.ended()

    async def __aenter__(self) -> "Peer":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.stop()

    # --- in any other program ---------------------------------------------------------------------------------------

    def __enter__(self) -> "Peer":
        self._thread = threading.Thread(target=self._run, name=f"quorate-{self.id}", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            await self.start()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that is waiting in `__enter__`
            self._failure = error
            return
        finally:
            self._started.set()
        ended = asyncio.ensure_future(self.ended())
        asked = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        asked.cancel()
        await self.stop()
