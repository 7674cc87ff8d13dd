"""The former place of `quorate.netsim.play`."""

from quorate.netsim.play import STUBS_GONE_S, Report, run
from quorate.netsim.profiles import PROFILES, Profile

__all__ = ["PROFILES", "STUBS_GONE_S", "Profile", "Report", "run"]
