"""Messages for driver errors, each with what to check first."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, Fault, NoAnswer, Refused

REFUSALS = {
    1: "the device has no such table: is this the right driver?",
    2: "the device has none of these registers: is this the right driver?",
    3: "the device rejects this request: is this the right driver?",
    4: "the device answers and reports a failure of its own",
    5: "the device is busy: try again",
    6: "the device is busy: try again",
    10: "the gateway answers and has no path to this unit: check the unit and the settings of the gateway",
    11: "the gateway answers and the unit behind it is silent: check the unit, wiring, baud rate and parity",
}
"""Meaning of an exception code for a person at the device."""


WRONG_FIELDS: Mapping[Fault, str] = {
    "transaction-id": "the gateway returns another transaction id than it got: update its firmware; if no update helps "
    'and wattgram is its only client, set tolerate = ["transaction-id"] for the device',
    "length": "the length in the header is not the length of the answer: update the firmware of the gateway; if no "
    'update helps, set tolerate = ["length"] for the device',
    "unit": "another unit answers: check the unit, and that each device behind the gateway has its own",
}
"""Meaning of the wrong field of an answer for a person at the device."""


def with_advice(error: DriverError) -> str:
    """Return one line: the error and what to check first."""
    text, cause = str(error), error.__cause__
    if isinstance(cause, OSError):
        text = text.replace(str(cause), in_words(cause))
    advice = ""
    match error:
        case DriverError(fault=fault) if fault:
            advice = WRONG_FIELDS[fault]
        case BusDown() if "without a request" in text:
            advice = "no Modbus server answers there: check address and port, and that no serial line feeds the gateway"
        case BusDown() if "lost" in text:
            advice = "the device closed the connection: check that it allows Modbus, and more than one client"
        case BusDown() if isinstance(cause, ConnectionRefusedError):
            advice = "the host answers but nothing listens: check the port and the Modbus setting of the device"
        case BusDown() if text.startswith("rtu:"):
            advice = "check the path of the line, the adapter, and the permissions of this user"
        case BusDown():
            advice = "check address, cable and network"
        case NoAnswer():
            advice = "check the unit address, and on a serial line wiring, baud rate and parity"
        case BadAnswer():
            advice = "the answer does not come from this device: check port, unit and driver"
        case Refused(code=code):
            advice = REFUSALS.get(code, "")
    return f"{text}; {advice}" if advice else text


def in_words(error: OSError) -> str:
    """Return the message of the system without error numbers."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
