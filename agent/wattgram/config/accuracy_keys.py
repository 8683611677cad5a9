"""Accuracy of a device's readings: the keys of `[[device]]`, and the limits of error by class (METHOD-SITE 11).

A part of a measuring chain has limits of error in W: share x (|P| + offset x rated power).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from wattgram.base import toml_table
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.toml_table import Parser, Table


class ErrorPart(NamedTuple):
    """Limits of error of a part of a measuring chain. share: of the power. offset: share of the rated power."""

    share: float
    offset: float


class AccuracyClass(NamedTuple):
    """A class of a standard. displacement: share of the power per tan phi, by the phase displacement."""

    part: ErrorPart
    displacement: float = 0.0


METER_CLASSES: Mapping[str, AccuracyClass] = {
    # IEC 62053-21 (1, 2) and IEC 62053-22 (0.5 S, 0.2 S); the offsets: METHOD-SITE 11
    "class 0.2 S": AccuracyClass(ErrorPart(0.002, 0.01)),
    "class 0.5 S": AccuracyClass(ErrorPart(0.005, 0.01)),
    "class 1": AccuracyClass(ErrorPart(0.01, 0.025)),
    "class 2": AccuracyClass(ErrorPart(0.02, 0.025)),
    # Directive 2014/32/EU, Annex V, +5 to +30 degC
    "MID A": AccuracyClass(ErrorPart(0.035, 0.0)),
    "MID B": AccuracyClass(ErrorPart(0.02, 0.0)),
    "MID C": AccuracyClass(ErrorPart(0.007, 0.02)),
}
"""Classes of a meter."""

CURRENT_CLASSES: Mapping[str, AccuracyClass] = {
    # IEC 61869-2; phase displacements of 10', 30', 60'
    "class 0.2 S": AccuracyClass(ErrorPart(0.002, 0.025), 0.0029),
    "class 0.5 S": AccuracyClass(ErrorPart(0.005, 0.025), 0.0087),
    "class 0.2": AccuracyClass(ErrorPart(0.002, 0.1), 0.0029),
    "class 0.5": AccuracyClass(ErrorPart(0.005, 0.1), 0.0087),
    "class 1": AccuracyClass(ErrorPart(0.01, 0.1), 0.0175),
}
"""Classes of a current transformer."""

VOLTAGE_CLASSES: Mapping[str, AccuracyClass] = {
    # IEC 61869-3; phase displacements of 10', 20', 40'
    "class 0.2": AccuracyClass(ErrorPart(0.002, 0.1), 0.0029),
    "class 0.5": AccuracyClass(ErrorPart(0.005, 0.1), 0.0058),
    "class 1": AccuracyClass(ErrorPart(0.01, 0.1), 0.0116),
}
"""Classes of a voltage transformer."""

METER_UNSTATED = ErrorPart(0.02, 0.05)
"""A meter without a stated accuracy."""

INVERTER_UNSTATED = ErrorPart(0.03, 0.01)
"""The own measurement of an inverter or a battery without a stated accuracy."""

SUM_UNSTATED = ErrorPart(0.05, 0.0)
"""A hybrid's terminal whose power is the sum of its DC powers, without a stated accuracy (METHOD-SITE 8.2)."""

TAN_PHI = 0.4843
"""tan phi of a power factor of 0.9, which stands for an unknown one."""

ACCURACY_ROLES = (*POWER_ROLES, "fuel")
"""Roles with the key `accuracy`."""


@dataclass(frozen=True, slots=True)
class AccuracyConfig:
    """Accuracy of a device's readings; None for a part that is not stated, or not there.

    meter: of the device itself. current, voltage: of its transformers. group: devices of one group err alike.
    """

    meter: AccuracyClass | None = None
    current: AccuracyClass | None = None
    voltage: AccuracyClass | None = None
    group: str = ""

    def parts(self, unstated: ErrorPart, tan_phi: float = TAN_PHI) -> tuple[ErrorPart, ...]:
        """Return the independent parts of the measuring chain. unstated: for a device without a stated accuracy."""
        parts = [self.meter.part if self.meter else unstated]
        for transformer in (self.current, self.voltage):
            if transformer is not None:
                parts += [transformer.part, ErrorPart(transformer.displacement * tan_phi, 0.0)]
        return tuple(part for part in parts if part.share > 0.0)


def read(table: Table, role: str | None) -> AccuracyConfig:
    """Read the keys of accuracy; mistakes go to the table."""
    spelling = toml_table.matching(r"[a-z0-9][a-z0-9_-]{0,63}", "1 to 64 of a-z, 0-9, - and _")
    found = AccuracyConfig(
        table.take("accuracy", class_of(METER_CLASSES), None),
        table.take("ct_accuracy", class_of(CURRENT_CLASSES), None),
        table.take("vt_accuracy", class_of(VOLTAGE_CLASSES), None),
        table.take("accuracy_group", spelling, "") or "",
    )
    for key in ("accuracy", "ct_accuracy", "vt_accuracy", "accuracy_group"):
        roles = ACCURACY_ROLES if key == "accuracy" else POWER_ROLES
        if key in table.data and role and role not in roles:
            table.mistake(key, f"found with role {role!r}; allowed: with role {', '.join(roles)}")
    return found


def share_of_value(value: object) -> float:
    """Return a percentage such as "5 %" as a share."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value.strip())):
        share = float(found[1]) / 100.0
        if 0.0001 <= share <= 0.5:
            return share
    raise ValueError(f'found {value!r}; allowed: 0.01 % to 50 %, such as "5 %"')


def class_of(classes: Mapping[str, AccuracyClass]) -> Parser:
    """Return a parser of a class, or of a percentage of the reading such as "3 %"."""

    def parser(value: object) -> AccuracyClass:
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                return AccuracyClass(ErrorPart(share_of_value(value), 0.0))
            for name, accuracy in classes.items():
                if name.lower().replace(" ", "") == value.lower().replace(" ", ""):
                    return accuracy
        near = toml_table.nearest(str(value), classes)
        raise ValueError(
            f'found {value!r}{near}; allowed: {", ".join(classes)}, or 0.01 % to 50 % of the reading, such as "3 %"'
        )

    return parser
