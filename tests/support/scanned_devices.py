"""Devices that a scan can identify, served by the simulator, and scans of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wattgram.base.clock import Clock
from wattgram.commands.device_scan import Row, Scan, ScanTarget
from wattgram.commands.identify import catalogued
from wattgram.commands.progress import Progress
from wattgram_drivers.device import Device, Mark, Register, Table
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.simulated.faults import Faults
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support import leaping_loop
from tests.support.leaping_loop import LeapClock

# Simulated devices need no silence between requests, and no test waits for it.
DEVICES = {
    name: replace(device, limits=replace(device.limits, request_delay=0.0, connect_delay=0.0))
    for name, device in catalogued().items()
}
ANYWHERE = parse("tcp://127.0.0.1:0", listen=True)

# A three-phase load of 230 V and 10 A, power factor 0.9: 2070 W and 2300 VA a phase, 6210 W in all.
VALUES = {
    "frequency": 50.02,
    "active_power_total": 6210.0,
    "apparent_power_total": 6900.0,
    "rated_power": 110e3,
    **{f"voltage_{phase}n": 230.0 for phase in ("l1", "l2", "l3")},
    **{f"voltage_{line}": 398.4 for line in ("l1l2", "l2l3", "l3l1")},
    **{f"current_{phase}": 10.0 for phase in ("l1", "l2", "l3")},
    **{f"active_power_{phase}": 2070.0 for phase in ("l1", "l2", "l3")},
    **{f"apparent_power_{phase}": 2300.0 for phase in ("l1", "l2", "l3")},
    **{f"power_factor_{of}": 0.9 for of in ("total", "l1", "l2", "l3")},
}

TEXTS = {
    # Texts of devices whose map has a pattern, from the documents of manufacturers and users.
    "abb_b21_b23_b24": "B23 ",
    "comap_intelilite": "InteliLite4-AMF 25",
    "deye_hybrid_3p": "2203051234",
    "deye_hybrid_hv": "2203051234",
    "deye_string": "2203051234",
    "foxess_h3": "H3-10.0-E",
    "foxess_h3_pro": "H3-Pro-20.0",
    "foxess_h3_smart": "H3-10.0-Smart",
    "fronius_sunspec_float": "Fronius",
    "fronius_sunspec_int_sf": "Fronius",
    "goodwe_dt": "9010KDTU000W0001",
    "goodwe_et": "9010KETU000W0001",
    "growatt_sph": "RAA1.0",
    "growatt_tl3x": "DL1.0",
    "growatt_tlx": "AL1.0",
    "huawei_emma": "SmartHEMS-EMMA-A02",
    "huawei_dtsu666h": "SUN2000-100KTL-M1",
    "huawei_luna2000": "SUN2000-100KTL-M1",
    "huawei_sun2000": "SUN2000-100KTL-M1",
    "schneider_iem3155_iem3255": "iEM3155",
    "schneider_pm2xxx": "PM2230",
    "schneider_pm5110_pm5350": "PM5110",
    "siemens_pac3200_pac4200": "7KM2112-0BA00-3AA0",
    "socomec_countis_e2x_e3x": "SOCO",
    "sofar_g3": "SP1ES120N61234",
    "sofar_hyd_legacy": "SE1E1234",
    "sofar_string_legacy": "SA1ES1200001",
    "sofar_string_legacy_3mppt": "SA1ES1200001",
    "solaredge_battery_1": "SolarEdge",
    "solaredge_inverter": "SolarEdge",
    "solaredge_meter_1": "SolarEdge",
    "solax_x3_g4": "H34A1012345678",
    "solis_hybrid_33xxx": "1031050123456789",
    "wirenboard_wb_mcm8": "WBMCM8",
}

UNIDENTIFIED = {
    # These devices have no marks and no grid values: only a person can identify them.
    "e3dc",
    "eastron_sdm72d_m",
    "endress_hauser_promass83_scanbuffer",
    "huawei_smartlogger",
    "kamstrup_multical_403_603",
    "kamstrup_multical_legacy_301",
    "sax_power_home",
    "sick_marsic300",
    "siemens_sitrans_mass6000",
    "sigenergy_plant",
    "sma_data_manager",
    "sma_data_manager_battery",
    "solarlog",
    "sungrow_ihomemanager",
    "sungrow_logger",
    "suto_s430_gasflow",
    "vaisala_mgp261",
    "varta_element",
    "varta_flex",
    "victron_gx",
    "victron_gx_battery",
}


def octets_of(device: Device, mark: Mark) -> bytes:
    """Return the octets that match a mark."""
    excerpt = mark.excerpt
    size = excerpt.length or 2 * excerpt.registers - excerpt.skip
    if mark.pattern:
        return TEXTS[device.name].encode()[:size].ljust(size, b"\0")
    return (mark.values or mark.ranges[0])[0].to_bytes(size, "big")


def identifiable(device: Device, values: Mapping[str, float] = VALUES) -> Served:
    """Return a device with the words of its marks as constants, without the registers at these addresses."""
    words: dict[tuple[Table, int], int] = {}
    for mark in device.identity.marks:
        excerpt = mark.excerpt
        block = bytearray(2 * excerpt.registers)
        octets = octets_of(device, mark)
        block[excerpt.skip : excerpt.skip + len(octets)] = octets
        for place in range(excerpt.registers):
            word = int.from_bytes(block[2 * place : 2 * place + 2], "big")
            words[excerpt.table, excerpt.address + place] = (
                words.get((excerpt.table, excerpt.address + place), 0) | word
            )
    free = [
        register
        for register in device.registers
        if not any((register.table, register.address + word) in words for word in range(register.words))
    ]
    # A table with marks only gets one more register, because the simulator serves tables with registers.
    others = {table for table, _ in words} - {register.table for register in free}
    ends = {table: max(address for of, address in words if of == table) for table in others}
    free += [Register("model_id", end + 1, table, "u16") for table, end in ends.items()]
    return Served(
        replace(device, registers=tuple(free)),
        lambda: values,
        {address: word for (_, address), word in words.items()},
    )


def scan_of(
    target: ScanTarget, units: Sequence[int] | None, output: io.StringIO | None = None, clock: Clock | None = None
) -> Scan:
    clock = clock or Clock()
    return Scan(target, units, DEVICES, clock, Progress(output or io.StringIO(), clock), silence=0.0)


async def scanned(place: Endpoint, units: Sequence[int] | None = None) -> list[Row]:
    scan = scan_of(ScanTarget(str(place), "host", (place,)), units, clock=LeapClock())
    await scan.run()
    return scan.found


def scanned_rows(served: Mapping[int, Served], units: Sequence[int] | None = None, **faults: Faults) -> list[Row]:
    async def main() -> list[Row]:
        simulator = Simulator(ANYWHERE, served, {int(unit[1:]): fault for unit, fault in faults.items()})
        place = await simulator.start()
        try:
            return await scanned(place, units)
        finally:
            await simulator.stop()

    return leaping_loop.run(main())
