"""Rules of a register map beyond the schema: each mistake is named with place, found and allowed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from wattgram_drivers.catalogue import load, parse
from wattgram_drivers.device import Guard, Register, ValidWhen, Variant
from wattgram_drivers.driver_errors import MapError, few_words

HEAD = 'vendor = "V"\nmodel = "M"\nkind = "inverter"\nsource = "S"\ndefaults = { table = "input", type = "u16" }\n'
VOLTAGE = 'voltage_l1n = { address = 10, unit = "V" }\n'


def mistakes(rows: str, head: str = "") -> list[str]:
    with pytest.raises(MapError) as caught:
        parse(f"{HEAD}{head}[registers]\n{rows}", "bad.toml")
    return [mistake.removeprefix("bad.toml: ") for mistake in caught.value.mistakes]


def registers(rows: str, head: str = "") -> dict[str, Register]:
    return {row.quantity: row for row in parse(f"{HEAD}{head}[registers]\n{rows}", "mine.toml").registers}


@pytest.mark.parametrize(
    ("row", "shared"),
    [
        ('voltage_l2n = { address = 10, unit = "V" }', 10),  # the same register
        ('voltage_l2n = { address = 9, type = "u32", unit = "V" }', 10),  # its second word
        ('voltage_l2n = { address = 8, type = "f64", unit = "V" }', 10),
        ('voltage_l2n = { address = [10, 20], type = "u32", unit = "V" }', 10),  # a word apart
        ('voltage_l2n = { address = [20, 10], type = "u32", unit = "V" }', 10),
        ('dc_voltage_1 = { address = 8, unit = "V", repeat = { count = 3, step = 1 } }', 10),
    ],
)
def test_two_rows_on_one_register_are_a_mistake(row: str, shared: int) -> None:
    (mistake,) = mistakes(f"{VOLTAGE}{row}\n")
    assert f"register {shared} (input) is in the row of 'voltage_l1n', too" in mistake
    assert mistake.endswith('allowed: one row for a register, or overlaps = "voltage_l1n"')


def test_tables_have_registers_of_their_own() -> None:
    assert len(registers(f'{VOLTAGE}voltage_l2n = {{ address = 10, table = "holding", unit = "V" }}\n')) == 2


def test_rows_may_share_a_register_if_one_says_so() -> None:
    copy = 'voltage_l2n = { address = 9, type = "u32", unit = "V", overlaps = "voltage_l1n" }\n'
    assert set(registers(VOLTAGE + copy)) == {"voltage_l1n", "voltage_l2n"}
    assert set(registers(copy + VOLTAGE)) == {"voltage_l1n", "voltage_l2n"}
    assert mistakes(VOLTAGE + copy.replace("address = 9", "address = 20")) == [
        "registers.voltage_l2n.overlaps: found 'voltage_l1n'; allowed: a row that shares a register"
    ]


def test_a_register_that_others_depend_on_may_be_a_row() -> None:
    rows = 'battery_direction = { address = 1, unit = "1" }\n'
    rows += 'battery_power = { address = 2, unit = "W", sign = "charge+", direction = { address = 1, negative = 1 } }\n'
    rows += 'dc_voltage = { address = 3, unit = "V", scale_address = 4 }\ndc_voltage_sf = { address = 4, unit = "1" }\n'
    assert len(registers(rows)) == 4


@pytest.mark.parametrize(
    "quantity", ["active_power_total", "battery_power", "dc_power_1", "load_power", "grid_power_l1"]
)
def test_a_power_without_a_sign_is_a_mistake(quantity: str) -> None:
    (mistake,) = mistakes(f'{quantity} = {{ address = 1, unit = "W" }}\n')
    assert mistake.startswith(f"registers.{quantity}: missing key 'sign'; allowed: export+, generation+, ")


def test_a_power_that_names_its_direction_or_is_a_limit_needs_no_sign() -> None:
    names = ("import_power", "battery_power_charge", "grid_export_power", "rated_power", "power_limit", "thermal_power")
    rows = "".join(f'{name} = {{ address = {number}, unit = "W" }}\n' for number, name in enumerate(names))
    assert len(registers(rows)) == len(names)


def test_the_words_of_a_value_may_stand_apart_high_word_first() -> None:
    power = 'grid_power_total = { address = [690, 625], type = "i32", unit = "W", sign = "import+" }\n'
    row = registers(power)["grid_power_total"]
    assert (row.address, row.low_address, row.addresses, row.companions) == (690, 625, (690, 625), ())
    assert mistakes(power.replace("i32", "i16"))[0].endswith(
        "two addresses do not fit i16; allowed: a type of two words"
    )
    assert mistakes(power.replace("i32", "u64"))[0].endswith(
        "two addresses do not fit u64; allowed: a type of two words"
    )
    assert mistakes(power.replace("690, 625", "690"))[0] == (
        "registers.grid_power_total.address: found 1 items; expected 2"
    )
    assert "found 65536; allowed: 0 to 65535" in mistakes(power.replace("690", "65536"))[0]
    assert "found 625 twice; allowed: the addresses of two words" in mistakes(power.replace("690", "625"))[0]


def test_one_row_stands_for_24_strings() -> None:
    rows = 'dc_voltage_1 = { address = 32016, unit = "V", scale = 0.1, repeat = { count = 24, step = 2 } }\n'
    rows += 'dc_current_1 = { address = 32017, type = "i16", unit = "A", repeat = { count = 24, step = 2 } }\n'
    found = registers(rows)
    assert len(found) == 48
    assert [found[f"dc_voltage_{number}"].address for number in (1, 2, 24)] == [32016, 32018, 32062]
    assert (found["dc_current_24"].address, found["dc_current_24"].type) == (32063, "i16")
    assert found["dc_voltage_24"].scale == Fraction(1, 10)


def test_a_repetition_counts_the_number_in_the_name_and_moves_all_words() -> None:
    row = 'type = "u32", unit = "V", repeat = { count = 3, step = 3 }'
    found = registers(f"voltage_l1n = {{ address = [10, 100], {row} }}\n")
    assert [found[f"voltage_l{phase}n"].addresses for phase in (1, 2, 3)] == [(10, 100), (13, 103), (16, 106)]
    assert mistakes(f"voltage_l1l2 = {{ address = 10, {row} }}\n")[0] == (
        "registers.voltage_l1l2.repeat: found no single number in the name to count up"
    )
    assert mistakes("dc_voltage_23 = { address = 1, %s }\n" % row)[0].endswith(  # noqa: UP031 - braces of TOML
        "count 3 leads to the unknown quantity 'dc_voltage_25'"
    )
    rows = f'voltage_l1n = {{ address = 10, {row} }}\nvoltage_l2n = {{ address = 50, unit = "V" }}\n'
    assert "registers.voltage_l1n.repeat: 'voltage_l2n' has a row already" in mistakes(rows)
    assert "address 65535 leaves no space" in mistakes(f"voltage_l1n = {{ address = 65532, {row} }}\n")[0]


def test_a_shipped_map_repeats_its_rows() -> None:
    inputs = {row.quantity: row.address for row in load("wirenboard_wb_mcm8").registers}
    # counters at 60 + 2 (n - 1), frequencies at 40 + 2 (n - 1) (the maker's template)
    assert {inputs[f"pulse_count_{number}"] - 2 * number for number in range(1, 9)} == {58}
    assert {inputs[f"pulse_frequency_{number}"] - 2 * number for number in range(1, 9)} == {38}


def test_a_variant_states_what_differs() -> None:
    row = 'type = "i32", unit = "W", sign = "generation+", scale = 10'
    when = "when = { address = 9, registers = 2, values = [0x7FFFFFFF] }"
    rows = f'active_power_total = {{ address = 20, {row}, variant = {{ {when}, address = 21, type = "i16" }} }}\n'
    found = registers(rows, "[invalid]\ni16 = [0x7FFF]\n")["active_power_total"]
    assert found.variant == Variant(
        (Guard(9, (0x7FFFFFFF,), 2),),
        Register("active_power_total", 21, "input", "i16", scale=Fraction(10), invalid=(0x7FFF,)),
    )
    assert found.companions == (9, 10)  # 21 is a word of the value, too
    none = registers(f"active_power_total = {{ address = 20, {row}, variant = {{ {when}, absent = true }} }}\n")
    assert none["active_power_total"].variant == Variant((Guard(9, (0x7FFFFFFF,), 2),))


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("when = { address = 9, values = [1] }", "variant: needs either absent = true, or the keys that differ"),
        ("when = { address = 9, values = [1] }, absent = true, address = 3", "variant: needs either absent = true"),
        ("address = 3", "variant: missing key 'when'"),
        (
            "when = { address = 9, values = [0x10000] }, absent = true",
            "variant.when: 0x10000 is wider than 1 registers",
        ),
        ("when = { address = 65535, registers = 2, values = [1] }, absent = true", "leaves no space for 2 registers"),
        (
            'when = { address = 9, values = [1] }, address = 65535, type = "u32"',
            "address 65535 leaves no space for u32",
        ),
        ("when = { address = 9, values = [1] }, invalid = [0x10000]", "variant: invalid 0x10000 is wider than u16"),
        ("when = { address = 9, values = [] }, absent = true", "variant.when.values: found 0 items; expected 1"),
    ],
)
def test_mistakes_of_a_variant_are_named(variant: str, message: str) -> None:
    row = f'voltage_l1n = {{ address = 10, unit = "V", variant = {{ {variant} }} }}\n'
    assert message in "\n".join(mistakes(row))


def test_a_map_states_when_its_values_are_valid_and_which_row_is_the_nameplate() -> None:
    rows = f'status = {{ address = 1, unit = "1" }}\nrated_power = {{ address = 2, unit = "kW" }}\n{VOLTAGE}'
    head = 'nameplate = "rated_power"\nvalid_when = [{ quantity = "status", values = [1, 2] }]\n'
    device = parse(f"{HEAD}{head}[registers]\n{rows}", "mine.toml")
    assert device.conditions == (ValidWhen("status", (1.0, 2.0)),)
    assert device.nameplate == "rated_power"
    covers = '[[valid_when]]\nquantity = "status"\nvalues = [1]\ncovers = ["voltage_l1n"]\n'
    device = parse(f"{HEAD}{covers}[registers]\n{rows}", "mine.toml")
    assert device.conditions == (ValidWhen("status", (1.0,), ("voltage_l1n",)),)
    assert device.nameplate == ""


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            'valid_when = [{ quantity = "status", values = [1] }]\n',
            "valid_when[0].quantity: found 'status'; allowed: voltage_l1n",
        ),
        (
            'valid_when = [{ quantity = "voltage_l1n", values = [1], covers = ["voltage_l2n"] }]\n',
            "valid_when[0].covers: found 'voltage_l2n'; allowed: ",
        ),
        ('valid_when = [{ quantity = "voltage_l1n" }]\n', "valid_when[0]: missing key 'values'"),
        ('nameplate = "voltage_l1n"\n', "nameplate: found 'voltage_l1n'; allowed: none"),
    ],
)
def test_mistakes_of_conditions_and_nameplate_are_named(head: str, message: str) -> None:
    assert mistakes(VOLTAGE, head)[0].startswith(message)


def test_a_message_lists_few_words() -> None:
    assert few_words("b", ["a", "b1", "c"]) == "allowed: a, b1, c; nearest: 'b1'"
    assert few_words("x", [str(number) for number in range(15)]) == (
        "allowed: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more"
    )
    (unknown,) = mistakes('voltage_11n = { address = 1, unit = "V" }\n')
    assert "nearest: 'voltage_l1n'" in unknown
    assert len(unknown) < 500


@pytest.mark.parametrize("row", ['address = 5, type = "i32"', 'address = [6, 5], type = "u32"'])
def test_a_low_word_alone_needs_two_addresses_and_a_sign(row: str) -> None:
    text = f'active_power_total = {{ {row}, low_alone = true, unit = "W", sign = "import+" }}'
    assert any("low_alone needs the two addresses of an i32" in mistake for mistake in mistakes(text))
