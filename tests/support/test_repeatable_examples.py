"""A test's examples are the same in every run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def examples() -> list[float]:
    drawn = []

    @given(st.floats(-5e5, -1))
    def draw(number: float) -> None:
        drawn.append(number)

    draw()
    return drawn


def test_the_examples_do_not_depend_on_the_modules_imported_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = examples()
    path = tmp_path / "numbers_of_a_module.py"
    path.write_text("".join(f"N{n} = -{n}.5\n" for n in range(1, 200)))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    monkeypatch.setitem(sys.modules, path.stem, importlib.util.module_from_spec(specification))
    assert examples() == before


def test_no_test_fails_because_the_machine_is_slow() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
