"""Powers against the other values of their reading, and exchanged words (METHOD-SITE 10)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import isnan

import pytest
from wattgram.acquisition.validity import Judge, Judged
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.plan import make_plan

ACREL = {
    "voltage_l1n": "08FC",  # 230.0 V
    "voltage_l2n": "08FC",
    "voltage_l3n": "08FC",
    "current_l1": "0898",  # 22.00 A
    "current_l2": "0898",
    "current_l3": "0898",
    "active_power_l1": "0000 1388",  # 5000 W
    "active_power_l2": "0000 1388",
    "active_power_l3": "0000 1388",
    "active_power_total": "0000 3A98",  # 15,000 W
    "active_energy_import": "0000 2710",  # 100.00 kWh
    "active_energy_export": "0000 0000",
}
"""Words of an ADW300 by its map: 0.1 V, 0.01 A, 1 W, 0.01 kWh; 3 x 230 V x 22 A = 15.18 kVA."""


class Meter:
    """A judge of a device's words, readings a second apart."""

    def __init__(
        self, driver: str, words: Mapping[str, str], *, single: bool = False, quantities: Sequence[str] | None = None
    ) -> None:
        device = load(driver)
        self.plan = make_plan(device, quantities)
        self.words = dict(words)
        self.judge = Judge(device, self.plan, role="load", single=single)
        self.now = 0.0

    def take(self, **changed: str) -> Judged:
        """Judge a reading with these words changed; words that are not given are 0."""
        image = bytearray(2 * self.plan.words)
        for place in self.plan.places:
            octets = bytes.fromhex((self.words | changed).get(place.register.quantity, ""))
            for word, position in enumerate(place.positions[: len(octets) // 2]):
                image[2 * position : 2 * position + 2] = octets[2 * word : 2 * word + 2]
        self.now += 1.0
        return self.judge.judge(Reading(int(self.now * 1e9), self.now, bytes(image), b"\1" * self.plan.words))

    def value(self, judged: Judged, quantity: str) -> float:
        """Return a value of a judged reading."""
        numbers: tuple[float, ...] = struct.unpack(f"{len(self.judge.names)}d", judged.values)
        return dict(zip(self.judge.names, numbers, strict=True))[quantity]


def turned(words: Mapping[str, str]) -> dict[str, str]:
    """Return the words of every value in the other order."""
    return {name: " ".join(reversed(octets.split())) for name, octets in words.items()}


@pytest.mark.parametrize("single", [False, True])
def test_exchanged_words_of_a_power_are_withheld_by_voltage_and_current_of_another_request(single: bool) -> None:
    meter = Meter("acrel_adw300", ACREL, single=single)
    judged = meter.take(active_power_total="3A98 0000")  # 983,040,000 W
    (withheld,) = judged.withheld
    assert (withheld.quantity, withheld.register) == ("active_power_total", "holding 36")
    assert "word_order" in withheld.reason
    assert isnan(meter.value(judged, "active_power_total"))
    assert meter.value(judged, "active_power_l1") == 5000.0


def test_a_negative_power_with_exchanged_words_is_withheld() -> None:
    meter = Meter("acrel_adw300", ACREL)
    assert [w.quantity for w in meter.take(active_power_l1="EC78 FFFF").withheld] == ["active_power_l1"]  # -5000 W


def test_exchanged_words_of_all_values_withhold_the_counters_until_the_order_is_right() -> None:
    meter = Meter("acrel_adw300", turned(ACREL))
    judged = meter.take()
    # 0000 2710 exchanged would be 6,553,600.00 kWh, which could be true.
    assert isnan(meter.value(judged, "active_energy_import"))
    assert meter.value(judged, "voltage_l1n") == 230.0
    powers = [name for name in ACREL if "power" in name]
    resting = dict.fromkeys([*powers, "current_l1", "current_l2", "current_l3"], "0000 0000")
    idle = meter.take(**resting)
    assert meter.value(idle, "active_power_total") == 0.0  # 0 in both orders
    assert isnan(meter.value(idle, "active_energy_import"))
    assert isnan(meter.value(meter.take(), "active_energy_import"))
    meter.words = dict(ACREL)
    meter.take()
    assert meter.value(meter.take(), "active_energy_import") == 100e3


def test_exchanged_words_beside_currents_of_zero_are_recognised() -> None:
    meter = Meter("acrel_adw300", ACREL)
    still = dict.fromkeys(["current_l1", "current_l2", "current_l3", "active_power_l1", "active_power_l2"], "0000")
    noise = {"active_power_l3": "0005 0000", "active_power_total": "0005 0000"}  # 5 W, 327,680 W
    told = [meter.value(meter.take(**still, **noise), "active_power_total") for _ in range(3)]
    assert [isnan(power) for power in told] == [False, False, True]
    meter = Meter("acrel_adw300", ACREL)
    both = still | {"active_power_l2": "0003 0000", "active_power_l3": "0005 0000", "active_power_total": "0008 0000"}
    assert isnan(meter.value(meter.take(**both), "active_power_total"))
    # Currents that the meter does not measure bound no power.
    meter = Meter("acrel_adw300", ACREL | {"active_power_l3": "0000"})
    judged = meter.take(**still, active_power_total="0004 93E0")  # 300,000 W
    assert meter.value(judged, "active_power_total") == 300e3
    judged = meter.take(**still, active_power_total="0004 0000")  # every 65,536th reading
    assert meter.value(judged, "active_power_total") == 262_144.0
    judged = meter.take(**still, active_power_total="0004 93E0")
    assert meter.value(judged, "active_power_total") == 300e3


def test_a_power_of_another_request_is_withheld_above_ten_times_voltage_and_current_in_three_readings() -> None:
    meter = Meter("acrel_adw300", ACREL)
    # 10 x 3 x 230 V x 22 A + 1 kVA = 152.8 kVA; a load that was switched on between two requests stays below
    above = [meter.take(active_power_total="0002 54E1") for _ in range(4)]  # 152,801 W
    assert [len(judged.withheld) for judged in above] == [0, 0, 1, 1]
    assert "10 x voltage x current" in above[-1].withheld[0].reason
    assert not meter.take(active_power_total="0002 54DF").withheld
    assert not [meter.take(active_power_total="0002 54DF").withheld for _ in range(4)][-1]


def test_a_load_that_is_switched_on_between_two_requests_is_no_fault() -> None:
    meter = Meter("acrel_adw300", ACREL)
    nearly_off = dict.fromkeys(["current_l1", "current_l2", "current_l3"], "0001")  # 0.01 A
    for _ in range(5):
        assert not meter.take(**nearly_off).withheld
        assert not meter.take(**nearly_off).withheld
        assert not meter.take().withheld


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        # 0.1 V, 0.001 A, 0.1 W (Carlo Gavazzi EM24 manual): 230 V, 10 A, 6000 W, low word first
        (
            "carlogavazzi_em24_din",
            {
                **{f"voltage_l{n}n": "08FC 0000" for n in (1, 2, 3)},
                **{f"current_l{n}": "2710 0000" for n in (1, 2, 3)},
                "active_power_total": "0000 EA60",
            },
        ),
    ],
)
def test_other_meters_with_powers_of_two_words(driver: str, words: Mapping[str, str]) -> None:
    meter = Meter(driver, words)
    assert isnan(meter.value(meter.take(), "active_power_total"))


def floats(**values: float) -> dict[str, str]:
    """Return the words of f32 values."""
    return {name: struct.pack(">f", value).hex(" ", 2) for name, value in values.items()}


@pytest.mark.parametrize(
    ("driver", "words", "below", "above"),
    [
        # A single total: 10 x (4 kW + 1 kW) + 1 kVA; W, as floats (Eastron SDM72D-M)
        ("eastron_sdm72d_m", floats(import_power=4e3, export_power=-1e3), 50.9e3, 51.1e3),
        # Averages: 10 x 3 x 230 V x 5 A + 1 kVA, the currents of the phases are not asked for
        ("schneider_pm2xxx", floats(voltage_ln_average=230.0, current_average=5.0), 35.4, 35.6),
    ],
)
def test_a_power_is_bounded_by_other_values_of_its_reading(
    driver: str, words: Mapping[str, str], below: float, above: float
) -> None:
    meter = Meter(driver, words, quantities=[*words, "active_power_total"])
    assert [len(meter.take(**floats(active_power_total=below)).withheld) for _ in range(4)] == [0, 0, 0, 0]
    assert [len(meter.take(**floats(active_power_total=above)).withheld) for _ in range(4)] == [0, 0, 1, 1]


def test_the_apparent_power_and_the_phases_bound_a_power() -> None:
    for witness in ({"apparent_power_total": 5e3}, {f"active_power_l{n}": 5e3 / 3.0 for n in (1, 2, 3)}):
        names = [*witness, "active_power_total"]
        meter = Meter("eastron_sdm630", floats(**witness), quantities=names)
        assert [len(meter.take(**floats(active_power_total=50.9e3)).withheld) for _ in range(3)] == [0, 0, 0]
        assert [len(meter.take(**floats(active_power_total=-51.1e3)).withheld) for _ in range(3)] == [0, 0, 1]


def test_voltage_and_current_decide_before_an_apparent_power_of_another_unit() -> None:
    words = floats(voltage_l1n=230.0, current_l1=30.0, apparent_power_l1=6.9)  # kVA where the map says VA
    meter = Meter("eastron_sdm630", words, quantities=[*words, "active_power_l1"])
    assert [len(meter.take(**floats(active_power_l1=6.8e3)).withheld) for _ in range(4)] == [0, 0, 0, 0]


def test_apparent_and_reactive_powers_are_bounded_by_voltage_and_current() -> None:
    words = floats(voltage_l1n=230.0, current_l1=10.0)
    for name in ("apparent_power_l1", "reactive_power_l1"):
        meter = Meter("eastron_sdm630", words, quantities=[*words, name])
        assert [len(meter.take(**floats(**{name: 23.9e3})).withheld) for _ in range(3)] == [0, 0, 0]
        assert [len(meter.take(**floats(**{name: 24.1e3})).withheld) for _ in range(3)] == [0, 0, 1]


def test_an_inverters_grid_power_does_not_bound_its_own_power() -> None:
    names = ("active_power_total", "import_power", "export_power")
    meter = Meter("growatt_tlx", {"active_power_total": "0000 C350", "import_power": "0000 0064"}, quantities=names)
    assert not any(meter.take().withheld for _ in range(4))  # 5 kW are used in the house, which takes 10 W more


def test_the_total_of_a_hybrid_is_bounded_by_its_currents_only_where_exchanged_words_fit() -> None:
    # 0.1 A x 230 V a phase through the grid port: 10 x 69 VA + 1 kVA
    words = {f"voltage_l{n}n": "08FC" for n in (1, 2, 3)} | {f"current_l{n}": "0001" for n in (1, 2, 3)}
    meter = Meter("growatt_tlx", words, quantities=[*words, "active_power_total"])
    assert not any(meter.take(active_power_total="0004 93E0").withheld for _ in range(4))  # 30,000 W
    exchanged = [meter.take(active_power_total="03E8 0000").withheld for _ in range(3)]
    assert [len(withheld) for withheld in exchanged] == [0, 0, 1]
