"""The tables `[[grid.source]]`: settings that every kind of source has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from wattgram.grid.mix import Factors


@dataclass(frozen=True, slots=True)
class SourceTerms:
    """What the reader of a source needs from the rest of the configuration.

    directory: of relative files. basis: "direct" or "lifecycle", None for a mistake. zone: of times without an offset.
    broker: whether there is a table [mqtt]. factors: default set of factors of a mix, that of the site's zone.
    """

    directory: Path
    basis: str | None
    zone: tzinfo
    broker: bool
    factors: str = "ipcc"


class SourceSettings(Protocol):
    """Settings that only one kind of source has."""

    default_factors: ClassVar[str]
    """Default of the key `factors`: "china" or "ipcc"; "" for that of the site's zone."""

    computes_mean: ClassVar[bool]
    """Whether the source computes its mean over the year; otherwise level official needs mean_g_per_kwh."""

    @property
    def detail(self) -> str:
        """What distinguishes two sources of this kind: a file name, a topic, a zone; "" for nothing."""


@runtime_checkable
class PeriodicSettings(Protocol):
    """Settings of a source that knows the period of its values."""

    @property
    def period(self) -> float | None:
        """Shortest usual period of a value, s; None while it is unknown."""


@runtime_checkable
class LateSettings(Protocol):
    """Settings of a source whose values arrive hours after their period."""

    default_max_age: ClassVar[float]
    """Default of the key `max_age`, s."""


@runtime_checkable
class NationalSettings(Protocol):
    """Settings of a source that belongs to one country."""

    @property
    def nation(self) -> str:
        """ISO code of the country, "" for several or unknown."""


@runtime_checkable
class CheckedSettings(Protocol):
    """Settings of a source whose values `wattgram check` can read."""

    def check(self, factors: Factors) -> tuple[Sequence[str], Sequence[str]]:
        """Return the findings and the notes about the values, with their places; `factors`: of a mix."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Settings of a source.

    settings: those of its kind. max_age: time in s for which a value serves after its end. level: "official" or "feed"
    (METHOD 4.3). mean: g/kWh of the source itself over the year, for level official, None for a source that computes
    its mean. factors: emission factors of a mix.
    """

    kind: str
    settings: SourceSettings
    max_age: float = 7200.0
    level: str = "feed"
    mean: float | None = None
    factors: str = "ipcc"

    @property
    def name(self) -> str:
        """Name of the source in the log, on the page and in records."""
        return f"{self.kind} {self.settings.detail}".strip()
