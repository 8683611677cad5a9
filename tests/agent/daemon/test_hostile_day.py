"""A day of all faults: twelve devices, most of them hostile, polled by the daemon on a clock that leaps.

Each device has an account of what it measured at every moment. No wrong value is published, whatever happens; devices
in order are read in each of their intervals, beside all the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.simulated import sunspec_serve

from tests.support.hostile_devices import (
    CONNECTIONS,
    EARLY,
    FRAMES,
    REFUSALS,
    WORDS,
    HostileUnit,
    Spoiler,
    Truth,
    is_empty,
    is_full,
    swaps_words,
)
from tests.support.leaping_site import SiteRun, run_site
from tests.support.misbehaving_device import Behaviour, Request, Server, Step
from tests.support.running_site import one_device

HOUR = 3600.0
INTERVAL = 10.0
METER = "eastron_sdm630"
METERED = ("voltage_l1n", "active_power_total", "frequency", "active_energy_import")
INVERTER = ("voltage_l1n", "active_power_total", "frequency", "energy_total", "status")
STEPS = {"voltage_l1n": 0.1, "active_power_total": 10.0, "frequency": 0.01, "energy_total": 100.0}
RATED = 30e3


def meter(base: float, spoilers: Sequence[Spoiler] = (), share: float = 0.15, *, echo: bool = False) -> HostileUnit:
    return HostileUnit(catalogue.load(METER), Truth(base, METERED), spoilers, share, echo=echo)


def inverter(base: float, models: tuple[int, ...] = (103,), spoilers: Sequence[Spoiler] = ()) -> HostileUnit:
    device, words = sunspec_serve.chain(models, "Acme", "Roof", f"SN-{base:g}")
    truth = Truth(base, INVERTER, STEPS)
    return HostileUnit(device, truth, spoilers, 0.15, constants=words)


class ChangingLayout:
    """A SunSpec unit whose chain has one model more in every second half hour; each change ends no connection."""

    def __init__(self, base: float) -> None:
        self.layouts = (inverter(base), inverter(base, (120, 103)))
        self.truth = self.layouts[0].truth

    def __call__(self, request: Request) -> Sequence[Step]:
        return self.layouts[int(request.time / 1200.0) % 2](request)


@dataclass(frozen=True)
class Actor:
    """A device of the site with its behaviour and its account."""

    role: str
    driver: str
    behaviour: Behaviour
    truth: Truth
    quantities: tuple[str, ...]
    rtu: bool = False
    good: bool = False


def actor(unit: HostileUnit, role: str = "load", *, rtu: bool = False) -> Actor:
    sunspec = unit.device.name.startswith("sunspec")
    return Actor(
        role,
        "sunspec" if sunspec else unit.device.name,
        unit,
        unit.truth,
        INVERTER[:-1] if sunspec else METERED,
        rtu,
        not unit.spoilers,
    )


def cast() -> dict[str, Actor]:
    """Return the devices of the site: three in order, the others hostile."""
    changing = ChangingLayout(7000.0)
    return {
        "incomer": actor(meter(12_000.0), "grid"),
        "roof": actor(inverter(9000.0), "pv"),
        "press": actor(meter(3000.0), rtu=True),
        "frames": actor(meter(4000.0, FRAMES)),
        "frames-line": actor(meter(5000.0, FRAMES), rtu=True),
        "echoes": actor(meter(6000.0, FRAMES[:4], echo=True), rtu=True),
        "early": actor(meter(8000.0, EARLY, 0.4)),
        "closes": actor(meter(9500.0, CONNECTIONS, 0.5)),
        "refuses": actor(meter(10_500.0, REFUSALS)),
        "words": actor(meter(11_500.0, (*WORDS, swaps_words), 0.3)),
        "void": actor(inverter(13_000.0, spoilers=(is_empty, is_full)), "pv"),
        "layouts": Actor("pv", "sunspec", changing, changing.truth, INVERTER[:-1]),
    }


def configured(actors: Mapping[str, Actor], ports: Sequence[int | str]) -> str:
    text = ""
    for (name, each), port in zip(actors.items(), ports, strict=True):
        table = one_device(
            name,
            each.role,
            each.driver,
            int(port),
            interval=f"{INTERVAL:g}s",
            timeout="500ms",
            rated_power=f"{RATED:g} W",
        )
        table += f"quantities = {list(each.quantities)}\n".replace("'", '"')
        text += table.replace("tcp://", "rtutcp://") if each.rtu else table
    return text


def wrong_values(told: SiteRun, name: str, each: Actor) -> list[str]:
    """Return the published values that the device did not measure about then."""
    found = []
    for record in told.of(name):
        time, quality = told.seconds(record), record["quality"]
        for quantity, value in record.as_dict().items():
            if not isinstance(value, float) or not isfinite(value) or quality == "stale":
                continue
            if quantity == "active_energy_import" and quality == "glitch":
                continue  # the raw value is kept
            if not each.truth.right(quantity, value, time):
                found.append(f"{name} {time:.1f} s: {quantity} {value:g}, {quality}")
    return found


@pytest.mark.parametrize(
    "hours",
    [
        pytest.param(1.0, marks=pytest.mark.slow(15)),
        pytest.param(24.0, marks=[pytest.mark.slow(300), pytest.mark.nightly(part="days")]),
    ],
)
def test_a_day_of_all_faults_publishes_no_wrong_value(hours: float, tmp_path: Path) -> None:
    actors = cast()
    servers = [Server(each.behaviour, rtu=each.rtu) for each in actors.values()]
    told = run_site(
        tmp_path,
        servers,
        lambda *ports: configured(actors, ports),
        hours * HOUR,
        more='tick = "10s"',
        spool='sync = "10s"',
    )
    wrong = {name: wrong_values(told, name, each) for name, each in actors.items()}
    print({name: len(lines) for name, lines in wrong.items()}, len(told.records))
    assert "\n".join(line for lines in wrong.values() for line in lines[:4]) == ""
    visits = hours * HOUR / INTERVAL
    for name, each in actors.items():
        read = [record for record in told.of(name) if record["quality"] != "stale"]
        if each.good:
            assert {record["quality"] for record in read} == {"good"}, name
            assert visits - 2 <= len(read) <= visits + 1, name
            assert told.events(name) == []
        else:
            assert len(read) > 0.3 * visits, name
            assert told.seconds(read[-1]) > hours * HOUR - 600.0, f"{name} is still read at the end"
    loads = [abs(value) for value in told.results("load_power") if value is not None]
    assert max(loads) < len(actors) * RATED
    busiest = max(len(told.events(name)) for name in actors)
    assert busiest < 60.0 * hours + 20.0, "events are limited"
