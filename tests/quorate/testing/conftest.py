"""Here `cluster` is the simulated one again, as a user's tests see it."""

from quorate.testing.plugin import cluster

__all__ = ["cluster"]
