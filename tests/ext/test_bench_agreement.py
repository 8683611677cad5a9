"""The peers of the tick's measurement compute the same accounts; otherwise the measured times mean nothing."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.bench.tick import FACTORS, ROLES, Numpy, PlainC, compare, row


def test_numpy_and_plain_c_agree_with_the_accounts(tmp_path: Path) -> None:
    """The battery is empty, charged, and discharged beyond its stock, within 150 rows."""
    blocks = [struct.pack(f"{3 + len(ROLES)}d", *row(index)) for index in range(200)]
    compare(PlainC(str(tmp_path), ROLES, FACTORS, len(blocks)), Numpy(), blocks)
