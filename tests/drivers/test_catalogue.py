"""The catalogue: shipped maps are valid, mistakes are reported, a user's map has precedence."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from wattgram_drivers.catalogue import SUNSPEC, load, names, parse
from wattgram_drivers.device import Direction, Excerpt, Label, Mark, SerialSettings
from wattgram_drivers.driver_errors import MapError
from wattgram_drivers.map_schema import schema
from wattgram_drivers.plan import make_plan
from wattgram_drivers.quantity import QUANTITIES

MAPS = Path(load.__code__.co_filename).parent / "maps"
SHIPPED = [name for name in names() if name != SUNSPEC]

# Rows, rows with a single source, table, longest request, order of words: counted in the register tables. Left out
# of the count are a text (alfen_ng9xx), disputed rows without a sure value (two of schneider_iem3155_iem3255, one
# of solis_string_3xxx); chint_dtsu666 has the two transformer ratios besides its table's rows.
FACTS = {
    "abb_b21_b23_b24": (27, 4, "holding", 125, "big"),
    "abb_terra_ac": (12, 3, "holding", 125, "big"),
    "acrel_adl400_dtsd1352": (34, 17, "holding", 125, "big"),
    "acrel_adl400_primary": (17, 17, "holding", 125, "big"),
    "acrel_adw300": (12, 12, "holding", 125, "big"),
    "alfen_ng9xx": (18, 10, "holding", 125, "big"),
    "alpha_ess": (53, 5, "holding", 64, "big"),
    "carlogavazzi_em24_din": (29, 9, "input", 20, "little"),
    "carlogavazzi_em24_e1": (27, 0, "input", 50, "little"),
    "carlogavazzi_em330_em340": (30, 1, "input", 50, "little"),
    "carlogavazzi_em530_em540": (25, 5, "input", 50, "little"),
    "chint_ddsu666": (8, 1, "holding", 125, "big"),
    "chint_dtsu666": (34, 2, "holding", 125, "big"),
    "comap_intelilite": (21, 20, "holding", 125, "big"),
    "deepsea_dse_gencomm": (26, 8, "holding", 125, "big"),
    "deye_hybrid_3p": (57, 1, "holding", 125, "little"),
    "deye_hybrid_hv": (53, 1, "holding", 125, "little"),
    "deye_string": (29, 9, "holding", 125, "little"),
    "e3dc": (6, 1, "holding", 125, "little"),
    "eastron_sdm120": (15, 0, "input", 80, "big"),
    "eastron_sdm630": (40, 0, "input", 80, "big"),
    "eastron_sdm72d_m": (9, 0, "input", 80, "big"),
    "eastron_sdm72d_m_v2": (28, 0, "input", 80, "big"),
    "endress_hauser_promass83_scanbuffer": (4, 0, "holding", 125, "little"),
    "finder_7m38": (21, 21, "input", 125, "big"),
    "foxess_h3": (35, 3, "holding", 125, "big"),
    "foxess_h3_pro": (37, 15, "holding", 125, "big"),
    "foxess_h3_smart": (39, 11, "holding", 125, "big"),
    "fronius_sunspec_float": (38, 5, "holding", 125, "big"),
    "fronius_sunspec_int_sf": (30, 11, "holding", 125, "big"),
    "goodwe_dt": (31, 31, "holding", 100, "big"),
    "goodwe_dt_legacy": (16, 14, "holding", 125, "big"),
    "goodwe_et": (65, 10, "holding", 100, "big"),
    "growatt_sph": (29, 1, "input", 100, "big"),
    "growatt_tl3x": (34, 6, "input", 100, "big"),
    "growatt_tlx": (49, 7, "input", 100, "big"),
    "huawei_dtsu666h": (21, 2, "holding", 64, "big"),
    "huawei_emma": (32, 0, "holding", 64, "big"),
    "huawei_luna2000": (20, 5, "holding", 64, "big"),
    "huawei_smartlogger": (5, 1, "holding", 125, "big"),
    "huawei_smartlogger_meter": (17, 4, "holding", 125, "big"),
    "huawei_sun2000": (40, 14, "holding", 64, "big"),
    "inepro_pro380": (19, 5, "holding", 125, "big"),
    "janitza_umg604": (22, 5, "holding", 125, "big"),
    "janitza_umg96rm": (30, 0, "holding", 125, "big"),
    "kamstrup_multical_403_603": (7, 7, "holding", 125, "big"),
    "kamstrup_multical_legacy_301": (7, 5, "holding", 125, "big"),
    "keba_p30_p40": (15, 0, "holding", 2, "big"),
    "lovato_dmg": (25, 11, "input", 125, "big"),
    "phoenix_contact_charx": (12, 12, "holding", 125, "big"),
    "sax_power_home": (3, 0, "holding", 125, ""),
    "schneider_iem3155_iem3255": (27, 5, "holding", 125, "big"),
    "schneider_pm2xxx": (22, 21, "holding", 125, "big"),
    "schneider_pm5110_pm5350": (29, 7, "holding", 125, "big"),
    "sick_marsic300": (14, 14, "input", 125, "big"),
    "siemens_pac2200": (33, 10, "holding", 125, "big"),
    "siemens_pac3200_pac4200": (29, 3, "holding", 125, "big"),
    "siemens_sitrans_mass6000": (8, 8, "holding", 125, "big"),
    "sigenergy_plant": (28, 21, "holding", 125, "big"),
    "sma_data_manager": (6, 6, "holding", 125, "big"),
    "sma_data_manager_battery": (4, 4, "holding", 125, "big"),
    "sma_native": (46, 4, "holding", 125, "big"),
    "socomec_countis_e2x_e3x": (24, 0, "holding", 125, "big"),
    "sofar_g3": (52, 6, "holding", 48, "big"),
    "sofar_hyd_legacy": (23, 14, "holding", 48, "big"),
    "sofar_string_legacy": (22, 8, "holding", 48, "big"),
    "sofar_string_legacy_3mppt": (22, 22, "holding", 48, "big"),
    "solaredge_battery_1": (14, 6, "holding", 125, "little"),
    "solaredge_inverter": (27, 0, "holding", 125, "big/little"),
    "solaredge_meter_1": (29, 0, "holding", 125, "big"),
    "solarlog": (5, 2, "input", 125, "little"),
    "solax_x3_g4": (28, 1, "input", 100, "little"),
    "solis_hybrid_33xxx": (46, 1, "input", 40, "big"),
    "solis_string_3xxx": (22, 4, "input", 40, "big"),
    "sungrow_ihomemanager": (13, 2, "input", 100, "little"),
    "sungrow_logger": (6, 4, "input", 100, "big/little"),
    "sungrow_sg_string": (41, 6, "input", 100, "little"),
    "sungrow_sh_hybrid": (51, 12, "input", 100, "little"),
    "suto_s430_gasflow": (8, 8, "holding", 125, "little"),
    "vaisala_mgp261": (9, 3, "holding", 125, "little"),
    "varta_element": (5, 2, "holding", 125, "little"),
    "varta_flex": (5, 4, "holding", 125, ""),
    "victron_gx": (6, 0, "input", 125, ""),
    "victron_gx_battery": (4, 2, "input", 125, ""),
    "wago_879_30xx": (33, 10, "holding", 125, "big"),
    "wirenboard_wb_mcm8": (18, 18, "input", 125, "big"),
}

BARE = 'vendor = "V"\nmodel = "M"\nkind = "meter"\nsource = "S"\n'
HEAD = BARE + 'defaults = { table = "input", type = "u16" }\n'
ROW = '[registers]\nfrequency = { address = 1, unit = "Hz" }\n'


def mistakes(text: str) -> list[str]:
    with pytest.raises(MapError) as caught:
        parse(text, "bad.toml")
    return caught.value.mistakes


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_map_is_sound(name: str) -> None:
    device = load(name)
    assert device.name == name
    assert set(device.quantities) <= set(QUANTITIES)
    assert device.source
    assert make_plan(device).words >= 1
    places = [(register.table, address) for register in device.registers for address in register.addresses]
    assert len(set(places)) == len(places), "registers overlap"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_map_points_editors_to_the_schema_and_readers_to_its_facts(name: str) -> None:
    schema_line, remark, *_ = (MAPS / f"{name}.toml").read_text().splitlines()
    assert schema_line == "#:schema ./device.schema.json"
    assert remark.startswith("# "), "what a reader of the map must know"


@pytest.mark.parametrize("name", FACTS)
def test_maps_hold_every_row_of_the_register_tables(name: str) -> None:
    rows, single, table, longest, order = FACTS[name]
    device = load(name)
    assert len(device.registers) == rows
    assert sum("single source" in register.note for register in device.registers) == single
    assert {register.table for register in device.registers} == {table}
    assert {register.word_order for register in device.registers if register.words > 1} <= {*order.split("/")}
    assert device.limits.max_registers == longest


def test_every_shipped_map_has_its_facts_here() -> None:
    assert set(FACTS) == set(SHIPPED)


def test_limits_are_the_vendors() -> None:
    eastron, huawei, sungrow = (load(name).limits for name in ("eastron_sdm630", "huawei_sun2000", "sungrow_sg_string"))
    assert (eastron.even, eastron.request_delay) == (True, 0.06)
    assert (huawei.gap, huawei.connect_delay, huawei.request_delay) == (16, 1.0, 0.05)
    assert (huawei.timeout, huawei.one_client, load("huawei_sun2000").night) == (5.0, True, "silent")
    assert sungrow.windows[0] == (4999, 5036)  # 38 registers


def test_the_committed_schema_is_the_generated_one() -> None:
    assert json.loads((MAPS / "device.schema.json").read_text()) == schema()


def test_a_tenth_is_a_tenth_and_units_and_signs_become_the_vocabularys() -> None:
    rows = '[registers]\nvoltage_l1n = { address = 1, scale = 0.1, unit = "V" }\n'
    rows += 'active_power_total = { address = 2, type = "i16", scale = 0.1, unit = "kW", sign = "export+" }\n'
    rows += 'active_energy_export = { address = 3, type = "u32", unit = "kWh", sign = "export+" }\n'
    rows += 'battery_soc = { address = 5, unit = "%" }\n'
    rows += 'battery_power = { address = 6, unit = "W", sign = "charge+", invalid = [0x8000, 0x7FFF] }\n'
    device = parse(HEAD + rows, "mine.toml")
    scales = {register.quantity: register.scale for register in device.registers}
    assert scales == {
        "voltage_l1n": Fraction(1, 10),
        "active_power_total": Fraction(-100),
        "battery_power": Fraction(-1),
        "active_energy_export": Fraction(1000),
        "battery_soc": Fraction(1, 100),
    }
    assert device.registers[-1].invalid == (0x8000, 0x7FFF)
    assert device.name == "mine"


def test_a_row_states_offset_encoding_and_direction() -> None:
    rows = '[registers]\ntemperature_internal = { address = 1, scale = 0.1, offset = 1000, unit = "degC" }\n'
    rows += 'power_factor_total = { address = 2, type = "f32", unit = "1", encoding = "four-quadrant" }\n'
    rows += 'battery_power = { address = 4, unit = "W", sign = "charge+", direction = { address = 9, negative = 1 } }\n'
    rows += 'battery_current = { address = 5, unit = "A", direction = { address = 9, mask = 2, negative = 2 } }\n'
    temperature, factor, power, current = parse(HEAD + rows, "mine.toml").registers
    assert (temperature.offset, temperature.scale) == (1000, Fraction(1, 10))
    assert factor.encoding == "four-quadrant"
    assert (power.direction, power.scale) == (Direction(9, 0xFFFF, 1), Fraction(-1))
    assert current.direction == Direction(9, 2, 2)


def test_patterns_of_a_type_apply_to_rows_without_patterns() -> None:
    head = HEAD + "[invalid]\nu16 = [0xFFFF, 0xFFFE]\n"
    rows = '[registers]\nfrequency = { address = 1, unit = "Hz" }\n'
    rows += 'voltage_l1n = { address = 2, unit = "V", invalid = [] }\n'
    rows += 'voltage_l2n = { address = 3, unit = "V", invalid = [0x8000] }\n'
    rows += 'voltage_l3n = { address = 4, type = "i16", unit = "V" }\n'
    patterns = [register.invalid for register in parse(head + rows, "mine.toml").registers]
    assert patterns == [(0xFFFF, 0xFFFE), (), (0x8000,), ()]


def test_a_map_states_the_factory_settings_of_the_serial_port() -> None:
    text = HEAD + 'line = { baudrate = 19200, parity = "E" }\n' + ROW
    assert parse(text, "mine.toml").line == SerialSettings(19200, "E", 1)
    assert str(load("schneider_pm2xxx").line) == "19200 8E1"
    assert load("huawei_sun2000").line is None


def test_a_mistyped_key_is_named_with_the_allowed_and_the_nearest() -> None:
    (unknown, missing) = mistakes(HEAD + '[registers]\nfrequency = { adress = 1, unit = "Hz" }\n')
    assert unknown.startswith("bad.toml: registers.frequency: unknown key 'adress'; allowed: address, unit, ")
    assert "nearest: 'address'" in unknown
    assert missing == "bad.toml: registers.frequency: missing key 'address'"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('voltage_a = { address = 1, unit = "V" }', "registers: unknown quantity 'voltage_a'"),
        (
            'frequency = { address = 1, unit = "V" }',
            "registers.frequency: unit 'V' does not fit; allowed: Hz, rpm",
        ),
        (
            'frequency = { address = 65536, unit = "Hz" }',
            "registers.frequency.address: found 65536; allowed: 0 to 65535",
        ),
        (
            'frequency = { address = 65535, type = "u32", unit = "Hz" }',
            "address 65535 leaves no space for u32",
        ),
        (
            'frequency = { address = "1", unit = "Hz" }',
            "registers.frequency.address: found '1'; expected integer",
        ),
        (
            'frequency = { address = true, unit = "Hz" }',
            "registers.frequency.address: found True; expected integer",
        ),
        (
            'frequency = { address = 1, unit = "Hz", type = "u61" }',
            "registers.frequency.type: found 'u61'; allowed: u16",
        ),
        (
            'frequency = { address = 1, unit = "Hz", scale = nan }',
            "registers.frequency.scale: found NaN; expected number",
        ),
        ('frequency = { address = 1, unit = "Hz", scale = 0 }', "registers.frequency: scale must not be 0"),
        (
            'frequency = { address = 1, unit = "Hz", invalid = [0x10000] }',
            "invalid 0x10000 is wider than u16",
        ),
        (
            'frequency = { address = 1, unit = "Hz", factors = ["ct_ratio"] }',
            "factor 'ct_ratio' is not a register",
        ),
        (
            'frequency = { address = 1, unit = "Hz", sign = "up" }',
            "registers.frequency.sign: found 'up'; allowed: export+",
        ),
        (
            'import_power = { address = 1, unit = "W", sign = "export+" }',
            "contradicts the name; allowed: import+",
        ),
        (
            'battery_power = { address = 1, unit = "W", direction = { address = 2 } }',
            "registers.battery_power.direction: missing key 'negative'",
        ),
        (
            'battery_power = { address = 1, unit = "W", direction = { address = 2, mask = 2, negative = 1 } }',
            "registers.battery_power.direction: negative 0x1 has bits outside mask 0x2",
        ),
        (
            'battery_power = { address = 1, unit = "W", direction = { address = 2, negative = 2, contrary = 2 } }',
            "registers.battery_power.direction: contrary 0x2 must have the bits of negative 0x2, and another bit",
        ),
        (
            'power_factor_total = { address = 1, unit = "1", encoding = "4Q" }',
            "registers.power_factor_total.encoding: found '4Q'; allowed: plain, four-quadrant",
        ),
        ("frequency = 1", "registers.frequency: found 1; expected object"),
        ("", "registers: found none; expected at least 1"),
    ],
)
def test_every_mistake_names_place_found_and_allowed(row: str, message: str) -> None:
    assert message in mistakes(f"{HEAD}[registers]\n{row}\n")[0]


def test_all_mistakes_are_reported_at_once() -> None:
    text = 'vendor = 1\nkind = "metre"\nsource = "S"\n[limits]\nmax_registers = 200\nwindows = [[1]]\n'
    found = mistakes(text)
    assert found == [
        "bad.toml: vendor: found 1; expected string",
        "bad.toml: kind: found 'metre'; allowed: meter, inverter, genset, battery, charger, sensor; nearest: 'meter'",
        "bad.toml: limits.max_registers: found 200; allowed: 1 to 125",
        "bad.toml: limits.windows[0]: found 1 items; expected 2",
        "bad.toml: missing key 'model'",
        "bad.toml: missing key 'registers'",
    ]


def test_a_row_without_table_and_type_is_a_mistake() -> None:
    assert [mistake.split("; ")[0] for mistake in mistakes(BARE + ROW)] == [
        "bad.toml: registers.frequency: missing key 'table'",
        "bad.toml: registers.frequency: missing key 'type'",
    ]


def test_a_value_that_fits_no_request_is_a_mistake() -> None:
    text = HEAD.replace("u16", "u32") + "[limits]\nmax_registers = 1\n" + ROW
    assert mistakes(text)[0].startswith("bad.toml: limits: registers 1-2 (input) do not fit one request")


def test_broken_toml_is_named_with_its_line() -> None:
    assert mistakes("vendor = \n")[0].startswith("bad.toml: Invalid value (at line 1")


def test_a_users_map_takes_precedence_over_a_shipped_map(tmp_path: Path) -> None:
    (tmp_path / "eastron_sdm630.toml").write_text(HEAD + ROW)
    (tmp_path / "own_meter.toml").write_text(HEAD + ROW)
    assert load("eastron_sdm630", tmp_path).quantities == ("frequency",)
    assert set(names(tmp_path)) == {*names(), "own_meter"}
    assert len(load("eastron_sdm630").registers) == 40


def test_an_unknown_device_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(MapError, match=r"no driver 'eastron_sdm360'.*nearest: 'eastron_sdm630'"):
        load("eastron_sdm360", tmp_path)


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(HEAD)
    with pytest.raises(MapError, match="no driver"):
        load("../x", tmp_path / "maps")


def test_sunspec_is_a_name_without_a_map() -> None:
    assert SUNSPEC in names()
    with pytest.raises(MapError, match="not a map"):
        load(SUNSPEC)


def test_an_unreadable_map_is_a_mistake_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(b"vendor = '\xff'")
    with pytest.raises(MapError, match=r"own\.toml: 'utf-8' codec"):
        load("own", tmp_path)


def test_an_identity_is_marks_and_labels_with_a_source() -> None:
    text = '[identity]\nsource = "M"\nmodel = { address = 9, registers = 5, skip = 2 }\n'
    text += "serial = { address = 20, registers = 2, number = true }\n"
    text += (
        'marks = [{ address = 1, table = "input", values = [7] }, { address = 2, registers = 2, pattern = "SUN" }]\n'
    )
    identity = parse(HEAD + text + ROW, "mine.toml").identity
    assert identity.marks == (
        Mark(Excerpt(1, table="input"), values=(7,)),
        Mark(Excerpt(2, 2), pattern="SUN"),
    )
    assert identity.model == Label(Excerpt(9, 5, skip=2))
    assert (identity.serial, identity.source) == (Label(Excerpt(20, 2), number=True), "M")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('source = "M"', "identity: found no marks, model or serial; give at least one"),
        ("marks = [{ address = 1, values = [1] }]", "identity: missing key 'source'"),
        ('source = "M"\nmarks = [{ address = 1 }]', "identity.marks[0]: needs either a pattern, or values and ranges"),
        ('source = "M"\nmarks = [{ address = 1, pattern = "(" }]', "identity.marks[0]: pattern '(': missing )"),
        ('source = "M"\nmarks = [{ address = 1, values = [0x10000] }]', "0x10000 is wider than 2 octets"),
        ('source = "M"\nmarks = [{ address = 1, ranges = [[5, 4]] }]', "identity.marks[0]: range 5 to 4 is empty"),
        (
            'source = "M"\nmarks = [{ address = 1, registers = 5, values = [1] }]',
            "a number of 10 octets; allowed: 1 to 8",
        ),
        ('source = "M"\nmodel = { address = 65535, registers = 2 }', "address 65535 leaves no space for 2 registers"),
        ('source = "M"\nserial = { address = 1, skip = 2 }', "identity.serial: skip and length exceed the 2 octets"),
        (
            'source = "M"\nserail = { address = 1 }',
            "identity: unknown key 'serail'; allowed: source, marks, model, serial",
        ),
    ],
)
def test_mistakes_of_an_identity_are_named(row: str, message: str) -> None:
    assert message in "\n".join(mistakes(f"{HEAD}[identity]\n{row}\n{ROW}"))
