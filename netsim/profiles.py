"""Profiles: which faults a seed may draw, how hard it pushes, in what kind of world.

Law: a profile is bounds, a scenario is one draw within them (`swarm.draw`). Pairs are (least, most).
"""

import msgspec
from msgspec.structs import replace

from quorate.netsim.scenario import Conditions

OFTEN = (30, 80)
"""Entries from one snapshot to the next: several in every run."""
PLAIN = {
    "kill": 1.0,
    "freeze": 0.5,
    "partition": 0.7,
    "one_way": 0.5,
    "partial": 0.4,
    "drop": 0.7,
    "stall": 0.4,
    "slow_link": 0.4,
    "half_open": 0.3,
    "everybody_kill": 0.2,
}


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`faults`: kinds and their weights; a seed leaves some of them out. `always`: those it never leaves out.
    `pace_s`: between two faults. `rate`: operations per virtual second.
    """

    name: str
    faults: dict[str, float]
    always: tuple[str, ...] = ()
    seconds: float = 7.0
    peers: tuple[int, int] = (3, 3)
    reads: float | None = None
    rate: tuple[float, float] = (20.0, 30.0)
    pace_s: tuple[float, float] = (0.4, 1.5)
    snapshot_entries: tuple[int, int] = (400, 400)
    keep_entries: tuple[int, int] = (20, 100)
    segment_bytes: tuple[int, int] = (32_768, 65_536)
    turn_s: tuple[float, float] = (0.0, 0.004)
    conditions: Conditions = Conditions()
    """What does not vary."""


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="plain", faults=PLAIN, rate=(22.0, 26.0), reads=0.8),
        Profile(
            name="pipelining",
            faults={"slow_link": 2.0, "stall": 1.0, "drop": 1.0, "partition": 0.5, "kill": 0.5, "handover": 0.5},
            always=("slow_link",),
            rate=(60.0, 90.0),
            seconds=5.0,
            conditions=Conditions(delay_s=(0.01, 0.06)),
        ),
        Profile(name="compaction", faults=PLAIN, rate=(30.0, 50.0), snapshot_entries=OFTEN, keep_entries=(5, 30)),
        Profile(
            name="kill-anywhere",
            faults={"kill_at": 8.0, "kill": 0.3, "twice": 0.5, "partition": 0.5, "handover": 0.3, "freeze": 0.3},
            always=("kill_at",),
            pace_s=(0.15, 0.5),
            snapshot_entries=OFTEN,
            keep_entries=(5, 30),
            segment_bytes=(8_192, 32_768),
        ),
        Profile(
            name="power",
            faults={"power": 2.0, "torn": 1.5, "everybody_power": 0.5, "kill": 0.3, "partition": 0.5, "power_at": 3.0},
            always=("power", "torn", "power_at"),
            snapshot_entries=(60, 300),
            segment_bytes=(8_192, 65_536),
        ),
        Profile(
            name="slow-disks",
            faults={"power": 2.0, "everybody_power": 1.0, "torn": 1.0, "disk_slow": 2.0, "kill": 0.3},
            always=("power",),
            snapshot_entries=(100, 300),
            conditions=Conditions(flush_s=(0.002, 0.06)),
        ),
        Profile(
            name="leftovers",
            faults={"leftovers": 4.0, "drop": 1.0, "stall": 0.5, "half_open": 1.0, "handover": 0.7, "partition": 0.3},
            always=("leftovers",),
            pace_s=(0.15, 0.5),
            conditions=Conditions(delay_s=(0.001, 0.02)),
        ),
        Profile(name="five", faults={**PLAIN, "rolling": 0.3}, peers=(5, 5), seconds=6.0, rate=(20.0, 20.0)),
        Profile(
            name="slow-links",
            faults=PLAIN,
            rate=(30.0, 40.0),
            conditions=Conditions(
                delay_s=(0.005, 0.03),
                regions={"east": ("a", "b"), "west": ("c",)},
                region_delay_s={"east-west": 0.06},
            ),
        ),
        Profile(
            name="clocks",
            faults={**PLAIN, "clock_jump": 3.0, "clock_rate": 3.0},
            always=("clock_jump", "clock_rate"),
            conditions=Conditions(drift=0.005),
        ),
        Profile(
            name="wiped",
            faults={"wipe": 2.0, "kill": 0.4, "drop": 0.5, "partition": 0.3, "freeze": 0.3},
            always=("wipe",),
            pace_s=(1.0, 2.5),
            snapshot_entries=(60, 150),
        ),
        Profile(
            name="installs",
            faults={"kill": 2.0, "wipe": 0.5, "everybody_kill": 0.4, "partition": 1.0, "drop": 1.0, "kill_at": 1.5},
            always=("kill",),
            rate=(40.0, 50.0),
            snapshot_entries=OFTEN,
            keep_entries=(3, 8),
        ),
        Profile(
            name="alone",
            faults={"kill": 1.0, "power": 1.0, "torn": 1.0, "freeze": 0.3, "power_at": 3.0, "disk_slow": 0.5},
            always=("power", "power_at"),
            peers=(1, 1),
            snapshot_entries=OFTEN,
            keep_entries=(5, 20),
        ),
        Profile(name="pair", faults=PLAIN, peers=(2, 2), snapshot_entries=OFTEN, keep_entries=(5, 20)),
        Profile(
            name="forgotten",
            faults={"wipe": 2.0, "kill": 1.0, "power": 0.5, "everybody_kill": 0.3, "partition": 0.5, "kill_at": 1.5},
            always=("wipe",),
            seconds=24.0,
            rate=(6.0, 10.0),
            pace_s=(1.0, 2.5),
            snapshot_entries=OFTEN,
            keep_entries=(3, 10),
        ),
        Profile(name="four", faults={**PLAIN, "handover": 1.0}, peers=(4, 4), seconds=6.0),
        Profile(
            name="handover",
            faults={"handover": 4.0, "freeze": 1.0, "kill": 0.5, "drop": 0.7, "partition": 0.5},
            always=("handover",),
            pace_s=(0.2, 0.6),
        ),
        Profile(
            name="overload",
            faults={"overload": 2.0, "kill": 0.5, "disk_slow": 0.7, "freeze": 0.4, "slow_link": 0.5},
            always=("overload",),
            seconds=5.0,
            conditions=Conditions(pending_ops=60, deadline_s=2.0),
        ),
        Profile(
            name="narrow",
            faults=PLAIN,
            rate=(25.0, 35.0),
            seconds=6.0,
            conditions=Conditions(pending_ops=6, deadline_s=0.4),
        ),
        Profile(
            name="sick-disks",
            faults={"disk_error": 2.0, "disk_full": 1.0, "disk_slow": 1.0, "power": 1.0, "bit_rot": 1.5, "torn": 0.7},
            always=("disk_error", "bit_rot"),
            snapshot_entries=OFTEN,
            keep_entries=(5, 30),
            segment_bytes=(8_192, 32_768),
            conditions=Conditions(history_flush_s=1.0),
        ),
        Profile(
            name="long-work",
            faults={"freeze": 3.0, "twice": 1.0, "kill": 1.0, "partition": 1.0, "rolling": 0.5, "clock_rate": 0.5},
            always=("freeze",),
            rate=(10.0, 15.0),
            conditions=Conditions(run_s=(0.2, 2.5), drift=0.01),
        ),
        Profile(
            name="anything",
            faults={
                **PLAIN,
                "power": 0.5,
                "torn": 0.3,
                "everybody_power": 0.2,
                "kill_at": 1.0,
                "power_at": 0.7,
                "twice": 0.4,
                "rolling": 0.3,
                "leftovers": 0.5,
                "handover": 0.5,
                "overload": 0.2,
                "wipe": 0.3,
                "bit_rot": 0.3,
                "disk_slow": 0.4,
                "disk_error": 0.4,
                "disk_full": 0.3,
                "clock_jump": 0.4,
                "clock_rate": 0.4,
            },
            peers=(3, 5),
            pace_s=(0.2, 1.0),
            snapshot_entries=(30, 400),
        ),
    )
}
"""By name. `anything` draws from all kinds and leaves open how many peers there are."""


def shorter(profile: Profile, seconds: float) -> Profile:
    """The same for fewer (or more) seconds of faults and load."""
    return replace(profile, seconds=seconds)
