"""The paced line: bytes arrive in order, in pieces, and never before their time."""

from __future__ import annotations

import os
import time
import tty

import pytest

from tests.support.wire import Direction, Wire


def test_a_piece_is_delivered_when_its_last_byte_has_arrived() -> None:
    # 11 bits at 1100 baud: 10 ms a character. Ten bytes at 1 s: eight at 1.08 s, the rest of two, of which the
    # last has arrived at 1.10 s, four characters later.
    line = Direction(0.010)
    line.send(1.0, bytes(range(10)))
    assert line.due() == pytest.approx(1.08)
    assert line.piece(1.0799) == b""
    assert line.piece(1.0801) == bytes(range(8))
    assert line.due() == pytest.approx(1.14)
    assert line.piece(1.1399) == b""
    assert line.piece(1.1401) == bytes([8, 9])
    assert line.due() is None


def test_bytes_queue_behind_those_that_are_being_sent() -> None:
    line = Direction(0.010)
    line.send(1.0, bytes(8))
    line.send(1.02, bytes(8))
    assert line.piece(2.0) == bytes(8)
    assert line.due() == pytest.approx(1.16)  # not 1.10: the first eight took until 1.08
    line.piece(2.0)
    line.send(3.0, bytes(8))
    assert line.due() == pytest.approx(3.08)


@pytest.mark.parametrize("baudrate", [9600, 19200])
def test_a_real_line_takes_11_bits_a_byte_in_both_directions(baudrate: int) -> None:
    sent = bytes(range(64))
    with Wire(baudrate) as wire:
        left, right = (os.open(end, os.O_RDWR | os.O_NOCTTY) for end in wire.ends)
        for end in (left, right):
            tty.setraw(end)
        for source, sink in ((left, right), (right, left)):
            begun, received, pieces = time.monotonic(), b"", 0
            os.write(source, sent)
            while len(received) < len(sent):
                received += os.read(sink, 4096)
                pieces += 1
                # 11 x 64 / 9600 = 73.3 ms for all; a relay may be late, never early
                assert time.monotonic() - begun >= 11 * len(received) / baudrate
            assert received == sent
            assert 1 <= pieces <= 8
        os.close(left)
        os.close(right)
