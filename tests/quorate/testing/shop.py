"""Handlers for tests of simulated clusters, in a module of their own."""

import quorate


@quorate.task("shop.double")
def double(n: int) -> int:
    return 2 * n


@quorate.task("shop.wait", retry=quorate.Retry(max=2, schedule=(1.0,)))
def wait(seconds: float) -> float:
    context = quorate.current()
    if not context.sleep(seconds):
        raise InterruptedError(context.told_to_stop)
    return seconds
