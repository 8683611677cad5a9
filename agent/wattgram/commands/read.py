"""`wattgram read`: options, and the reading as a table or JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from wattgram_drivers.driver_errors import DriverError
from wattgram_drivers.quantity import QUANTITIES

from wattgram.base import toml_table, units
from wattgram.base.clock import Clock
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.units import rfc3339
from wattgram.formats.tables import table

from .arguments import add_format, add_unit, option_type
from .device_arguments import check_role, check_unit, load_device, parse_endpoint
from .driver_advice import with_advice
from .progress import print_stderr
from .withheld_lines import withheld_lines

if TYPE_CHECKING:
    from wattgram_drivers.device import RequestFailure

    from .single_reading import ReadResult

EXAMPLE = "wattgram read tcp://10.1.1.20:502 --driver sunspec --unit 126"


NOMINAL_VOLTAGE_KEY = toml_table.bounded(units.voltage, 10.0, 500e3, "10 V to 500 kV")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add URL, --driver, --unit, --role, --nominal-voltage, --raw and --format."""
    parser.add_argument(
        "url", metavar="URL", help="tcp://HOST[:PORT], rtu://PATH?baudrate=N&parity=P or rtutcp://HOST:PORT"
    )
    parser.add_argument("--driver", required=True, metavar="NAME", help="a driver of `wattgram drivers`")
    add_unit(parser)
    parser.add_argument(
        "--role",
        choices=POWER_ROLES,
        metavar="ROLE",
        default="",
        help=f"role whose power must be there: {', '.join(POWER_ROLES)} (default: the main power of the driver)",
    )
    parser.add_argument(
        "--nominal-voltage",
        type=option_type(NOMINAL_VOLTAGE_KEY),
        metavar="NOMINAL_VOLTAGE_KEY",
        help="nominal voltage of a medium-voltage meter, such as 10kV, as the key nominal_voltage of a device",
    )
    parser.add_argument("--raw", action="store_true", help="show the raw words too")
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Read a device once and print the reading; 1 when the device cannot be read, or its power has no value."""
    from .single_reading import read_once

    device = load_device(options.driver)
    check_role(options.role, options.driver, device)
    place = parse_endpoint(options.url)
    unit = check_unit(options.unit, place)
    try:
        result = asyncio.run(
            read_once(
                place, device, unit, Clock(), options.driver, options.role, nominal_voltage=options.nominal_voltage
            )
        )
    except DriverError as error:
        print_stderr(f"wattgram read: {with_advice(error)}")
        return 1
    if options.format == "json":
        print(_as_json(result, options.driver, raw=options.raw))
    else:
        print_stderr(f"{result.vendor} {result.model}, {rfc3339(result.time)}")
        print(_as_table(result, raw=options.raw))
    for line in _remarks(result):
        print_stderr(f"wattgram read: {line}")
    return 1 if result.lacking else 0


def _remarks(result: ReadResult) -> list[str]:
    """Return what failed and why, one line each."""
    lines = [
        f"{'refused' if failure.refused else 'failed'}: {failure.table} {_span(failure)}: {failure.error}"
        for failure in result.failures
    ]
    lines += [f"withheld: {line}" for line in withheld_lines(result.withheld)]
    lines += [f"finding: {finding}" for finding in result.findings]
    lines += [f"missing: {name}, the power of this device, has no value" for name in result.lacking]
    return lines


def _span(failure: RequestFailure) -> str:
    last = failure.address + failure.count - 1
    return str(failure.address) if failure.count == 1 else f"{failure.address}-{last}"


def _as_json(result: ReadResult, driver: str, *, raw: bool) -> str:
    answer: dict[str, object] = {
        "time": rfc3339(result.time),
        "driver": driver,
        "quality": result.quality,
        "values": {value.quantity: value.value for value in result.values if isfinite(value.value)},
    }
    if result.withheld:
        answer["withheld"] = [
            {**value._asdict(), "value": value.value if isfinite(value.value) else None} for value in result.withheld
        ]
    if result.failures:
        answer["failures"] = [asdict(failure) for failure in result.failures]
    if result.lacking:
        answer["missing"] = list(result.lacking)
    if raw:
        answer["raw"] = {value.quantity: value.words for value in result.values}
    return json.dumps(answer)


def _as_table(result: ReadResult, *, raw: bool) -> str:
    head = ["quantity", "value", "unit", "register", *(["raw words"] if raw else [])]
    rows = [
        [
            value.quantity,
            _plain(value.value, value.digits),
            QUANTITIES[value.quantity].unit,
            value.register,
            *([" ".join(value.words) or "refused by the device"] if raw else []),
        ]
        for value in result.values
    ]
    return table(head, rows, right=(1,))


def _plain(value: float, digits: int) -> str:
    """Format a number without exponent; "-" when the device has no value."""
    return format(Decimal(f"{value:.{digits}g}"), "f") if isfinite(value) else "-"
