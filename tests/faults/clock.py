"""A wall clock that is set forwards and backwards, that is set back while the daemon is down, or begins in 1970.

The daemon's wall clock is faked by libfaketime, its monotonic one is not. What SPEC 6.8 says is judged: nothing that
was stored is overwritten, so every reading is still there and no key has two contents; readings made while the clock
was not set have the time of the clock that was set then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.meter import NS
from tests.faults.stage import NotHere, Rounds, Stage
from tests.faults.truth import Offsets, Verdict
from tests.faults.world import World, world
from tests.support.faked_clock import faked_clock

SHARED = Path("/dev/shm")


@dataclass
class FakeClock:
    """The daemon's clock: ours and an offset, which it reads anew each time."""

    path: Path
    site: World | None = None

    def environment(self) -> dict[str, str]:
        """Environment variables for the daemon. NotHere without the library."""
        variables = faked_clock(self.path)
        if variables is None:
            raise NotHere("libfaketime is not installed")
        return variables

    def set(self, seconds: float) -> None:
        """Set the offset from now on, s ahead."""
        text = f"{seconds:+.3f}"
        new = self.path.with_suffix(".new")
        new.write_text(f"{text}\n")
        now = time.time_ns()
        new.replace(self.path)
        if self.site is not None:
            step = (now, round(float(text) * NS))
            known = self.site.offsets.steps
            self.site.offsets = Offsets((*known, step) if self.site.lives else (step,))


def steps(stage: Stage) -> Rounds:
    """Run the rounds, each on a new site, so that rounds do not share timestamps."""
    before = Verdict()
    for number in range(stage.rounds):
        folder = stage.folder / f"{number}"
        clock = FakeClock(stage.folder / f"{number}.clock")
        stage.folder.mkdir(exist_ok=True)
        clock.set(0.0)
        with world(folder, stage.chance, environment=clock.environment()) as site:
            site.tick = 0
            clock.site = site
            COURSES[number % len(COURSES)](site, clock)
            before += site.compare(site.drained())
            site.stop()
            yield before
        sweep()


def sweep() -> None:
    """Remove what libfaketime leaves in memory of a process that was killed: two files named by its number."""
    for path in SHARED.glob("*faketime_*"):
        pid = path.name.rpartition("_")[2]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)


def forwards(site: World, clock: FakeClock) -> None:
    """Set a clock forwards that was late by seconds to hours."""
    clock.set(0.0)
    _some_time(site)
    clock.set(10 ** site.chance.uniform(0.3, 4.0))
    site.sleep(2.0, 3.0)


def backwards(site: World, clock: FakeClock) -> None:
    """Set a clock back by as much as was read, so that the same times occur again."""
    clock.set(0.0)
    _some_time(site)
    clock.set(-site.chance.uniform(1.5, 3.0))
    site.sleep(4.0, 6.0)


def far_backwards(site: World, clock: FakeClock) -> None:
    """Set a clock back by hours."""
    clock.set(0.0)
    _some_time(site)
    clock.set(-(10 ** site.chance.uniform(3.0, 4.0)))
    site.sleep(2.0, 4.0)


def there_and_back(site: World, clock: FakeClock) -> None:
    """Set the clock to a wrong time, then correct it."""
    clock.set(0.0)
    _some_time(site)
    clock.set(10 ** site.chance.uniform(1.0, 3.0))
    site.sleep(1.5, 2.5)
    clock.set(0.0)
    site.sleep(2.0, 4.0)


def backwards_while_down(site: World, clock: FakeClock) -> None:
    """Set the clock back between two lives: the next life begins at a time before the end of the last life."""
    clock.set(0.0)
    _some_time(site)
    if site.chance.random() < 0.5:
        site.kill()
    else:
        site.stop()
    clock.set(-site.chance.uniform(2.0, 4.0))
    site.start()
    site.wait_for_readings()
    site.sleep(4.0, 6.0)


def from_1970(site: World, clock: FakeClock) -> None:
    """No battery: the clock begins in 1970 and is set after some seconds."""
    clock.set(site.chance.uniform(0, 1e6) - time.time())
    _some_time(site)
    clock.set(0.0)
    site.sleep(2.0, 3.0)


def killed_in_1970(site: World, clock: FakeClock) -> None:
    """The same, but the daemon is killed before: pending readings are on disk, and the next life knows their times."""
    clock.set(site.chance.uniform(0, 1e6) - time.time())
    _some_time(site)
    site.kill()
    site.start()
    site.wait_for_readings()
    site.sleep(1.5, 2.5)
    clock.set(0.0)
    site.sleep(2.0, 3.0)


def from_1970_again(site: World, clock: FakeClock) -> None:
    """The same for a daemon that has a history."""
    clock.set(0.0)
    _some_time(site)
    site.kill()
    clock.set(site.chance.uniform(0, 1e6) - time.time())
    site.start()
    site.wait_for_readings()
    site.sleep(2.0, 3.0)
    clock.set(0.0)
    site.sleep(2.0, 3.0)


COURSES = (
    backwards,
    killed_in_1970,
    backwards_while_down,
    there_and_back,
    from_1970_again,
    from_1970,
    forwards,
    far_backwards,
)
"""Repeated in this order."""


def _some_time(site: World) -> None:
    site.start()
    site.wait_for_readings()
    site.sleep(2.5, 4.0)
