"""Inside a handler: the attempt that is running.

Law: `quorate.current()` works wherever a handler's code runs, in a thread, in `async def` and in a child process, and
nowhere else.
"""

from quorate.node.context import Context, Deadline, NoContext, StagedHandle, current
from quorate.node.notices import Notice
from quorate.node.staging import StagingRefused

__all__ = ["Context", "Deadline", "NoContext", "Notice", "StagedHandle", "StagingRefused", "current"]
