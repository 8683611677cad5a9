"""Let Hypothesis try the same examples in every run."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants


def repeat_examples() -> None:
    """Load the profile of all tests: the examples of a test depend on the test alone.

    Neither the examples nor their limits may depend on the machine: no deadline, and no limit on the time that the
    generation of an example takes. Hypothesis also draws from the constants of all modules imported so far. The
    modules depend on the tests that ran before in the same process, so a failure would not come again; no option
    turns the constants off.
    """
    settings.register_profile(
        "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("repeatable")
    none = Constants()
    providers._get_local_constants = lambda: none
