"""A line without silence: what comes before an answer is looked through once, and costs few checksums."""

from __future__ import annotations

import pytest
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus import rtu
from wattgram_drivers.modbus.framing import Framing
from wattgram_drivers.modbus.pdu import read_request
from wattgram_drivers.modbus.rtu import Rtu

REQUEST = read_request(parse("rtutcp://device:502"), 1, "holding", 0, 2)
OTHER = read_request(parse("rtutcp://device:502"), 1, "holding", 10, 2)
BEGINNINGS = b"\x01\x03\xff" * 20_000
"""Bytes in which each third begins a frame of 260 bytes, whose checksum must be computed."""


def answer(high: int, low: int) -> bytes:
    body = bytes((1, 3, 4, 0, high, 0, low))
    return body + rtu.crc16(body)


def test_an_answer_behind_60_kilobytes_of_noise_is_found() -> None:
    framing: Framing = Rtu()
    framing.frame(REQUEST)
    received = bytearray(BEGINNINGS + answer(7, 8))
    taken = framing.take(received, REQUEST)
    assert taken is not None
    assert taken.body == b"\x04\x00\x07\x00\x08"
    assert not received


def test_noise_costs_few_checksums_however_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = 0

    def counted(octets: bytes) -> bytes:
        nonlocal checked
        checked += len(octets)
        return b"\x00\x00"

    framing, received = Rtu(), bytearray()
    framing.frame(REQUEST)
    monkeypatch.setattr(rtu, "crc16", counted)
    pieces = range(0, len(BEGINNINGS), 1000)
    for start in pieces:
        received += BEGINNINGS[start : start + 1000]
        assert framing.take(received, REQUEST) is None
    # A frame can begin at a third of 1,024 places, and has 258 bytes before its checksum.
    assert checked <= len(pieces) * 1024 / 3 * 258
    received += BEGINNINGS
    checked = 0
    framing.idle(received)
    assert checked <= 1024 / 3 * 258


def test_after_discarded_noise_an_earlier_answer_may_come_again() -> None:
    framing = Rtu()
    framing.frame(REQUEST)
    taken = framing.take(bytearray(answer(7, 8)), REQUEST)
    assert taken is not None
    framing.answered(REQUEST, taken)
    assert list(framing.probes(REQUEST)) == []
    framing.idle(bytearray(answer(7, 8) + BEGINNINGS))
    assert list(framing.probes(REQUEST))
