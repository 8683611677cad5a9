"""Approximate numbers within tuples and lists."""

from __future__ import annotations

from typing import Any

import pytest


def near(expected: float, *, abs: float | None = None) -> Any:
    """Return pytest.approx of a number. To mypy pytest's own type equals no number where it stands within a tuple."""
    return pytest.approx(expected, abs=abs)
