"""A child process that runs handlers of `isolation="process"`, one at a time: `python -m quorate.node.workers.child`.

Laws:
- It does not outlive its parent: the kernel kills it with the thread that started it (Linux), and the end of its input
  ends it.
- Its own standard output is the errors' stream: whatever a handler prints, the line to the parent carries frames only.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from queue import Queue

from quorate.node.context import Context
from quorate.node.registry import Registry, UnusableModule
from quorate.node.staging import StagingRules
from quorate.node.workers.perform import perform
from quorate.node.workers.wire import Begin, Ended, Hello, Ready, Tell, decode_to_child, frame, read_frame
from quorate.scheduling.task import Attempt, Ending, Failed, TaskError

PR_SET_PDEATHSIG = 1

Work = tuple[Attempt, Context]


def main() -> None:
    commands, answers = _own_the_pipes()
    hello = read_frame(commands, decode_to_child)
    if not isinstance(hello, Hello):
        return
    _die_with(hello.parent)
    sys.path[:] = hello.import_path
    registry = Registry()
    _write(answers, frame(Ready(_load(registry, hello.modules))))
    # One at a time: the parent sends the next attempt when this one has ended.
    work: Queue[Work] = Queue(maxsize=1)
    threading.Thread(target=_listen, args=(commands, work, hello.staging), name="quorate-commands", daemon=True).start()
    while True:
        attempt, context = work.get()
        context.began_at = time.monotonic()
        _write(answers, frame(Ended(_ending(registry, attempt, context, hello.result_max_bytes))))


def _ending(registry: Registry, attempt: Attempt, context: Context, result_max_bytes: int) -> Ending:
    handler = registry.get(attempt.handler)
    if handler is None:
        return Failed(
            TaskError("UnknownHandler", f"the child process found no handler {attempt.handler!r} in its modules")
        )
    return perform(handler, attempt, context, result_max_bytes)


def _listen(commands: int, work: "Queue[Work]", rules: StagingRules) -> None:
    """On a thread of its own, so that a busy handler is told, and a dead parent noticed."""
    context: Context | None = None
    while True:
        message = read_frame(commands, decode_to_child)
        match message:
            case Begin(attempt):
                context = Context(attempt, rules)
                work.put((attempt, context))
            case Tell(fence, cancelled, lost) if context is not None and context.fence == fence:
                if cancelled:
                    context.cancelled.tell(cancelled)
                if lost:
                    context.lost.tell(lost)
            case None:
                os._exit(0)


def _load(registry: Registry, modules: list[str]) -> str:
    try:
        for module in modules:
            registry.load(module)
    except (UnusableModule, ValueError) as error:
        return str(error)
    return ""


def _own_the_pipes() -> tuple[int, int]:
    """Copies that programs started by handlers do not inherit, with harmless ends in their place."""
    commands, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, answers


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before the kernel was asked.
        os._exit(0)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


if __name__ == "__main__":
    main()
