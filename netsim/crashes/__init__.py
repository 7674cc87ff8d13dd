"""Crash states and damage on the files a peer really writes.

Law: whatever a crash leaves of un-synced operations, what was flushed is there after it; whatever damage does to
flushed bytes is noticed, or touches nothing that counts.
"""

from quorate.netsim.crashes.campaign import Table, campaign

__all__ = ["Table", "campaign"]
