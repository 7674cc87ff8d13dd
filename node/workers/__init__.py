"""The local workers: threads and child processes that run handlers, and the pool that feeds them.

Law: every attempt given to the pool is reported exactly once, on the loop thread, and nothing a handler does or fails
to do reaches the loop by any other way.
"""

from quorate.node.workers.pool import WorkerPool

__all__ = ["WorkerPool"]
