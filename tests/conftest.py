"""What all tests share.

Law: `make test` gives the same verdict twice: property tests draw their examples from a fixed seed. `make soak` is
where chance comes in, and a failure found there is printed with what repeats it.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    max_examples=100,
    # A machine busy with three peers is slow at times; that says nothing about the property.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak",
    max_examples=2_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")
