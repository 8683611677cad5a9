"""Terms of a result for its derivation: channels, factors and pools, from the `configuration` record of its digests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wattgram.base.canonical import digest
from wattgram.base.record import Record


@dataclass(frozen=True, slots=True)
class ChannelTerms:
    """A channel of the accounts; factor: g/kWh of its own production."""

    name: str
    role: str
    group: str
    busbar: int
    pool: int
    terminal: int
    factor: float


@dataclass(frozen=True, slots=True)
class RecordTerms:
    """Terms of a record. pools: efficiencies and `learning` by pool. config, factors: the whole texts as data."""

    channels: tuple[ChannelTerms, ...]
    pools: tuple[Mapping[str, Any], ...]
    method: str
    rated_power: float
    register_step: float
    config: Mapping[str, Any]
    factors: Mapping[str, Any]
    program: str

    @property
    def busbars(self) -> int:
        """Number of busbars."""
        return 1 + max((channel.busbar for channel in self.channels), default=0)

    def least_load(self, seconds: float) -> float:
        """Return the load below which a window of a length in s has no intensity, Wh (METHOD 4.5)."""
        return max(0.005 * self.rated_power * seconds / 3600.0, 5.0 * self.register_step)


def terms_of(record: Record, stored: Iterable[Record]) -> RecordTerms | None:
    """Return the terms of an emission by its digests; None if no stored `configuration` record has them.

    ValueError: the text of the record is not that of its digest.
    """
    if "config_digest" not in record.series.texts:
        return None
    asked = str(record["config_digest"]), str(record["factor_digest"])
    for terms in stored:
        if (str(terms["config_digest"]), str(terms["factor_digest"])) == asked:
            config, factors = str(terms["config"]), str(terms["factors"])
            if (digest(config), digest(factors)) != asked:
                raise ValueError(
                    f"the configuration record of {asked[0]} and {asked[1]} has another text: it was edited"
                )
            return _parsed(json.loads(config), json.loads(factors), str(terms["program"]))
    return None


def _parsed(config: Mapping[str, Any], factors: Mapping[str, Any], program: str) -> RecordTerms:
    accounts = config["structure"]
    channels = tuple(
        ChannelTerms(
            str(channel["name"]),
            str(channel["role"]),
            str(channel["group"]),
            int(channel["busbar"]),
            int(channel["pool"]),
            int(channel["terminal"]),
            float(factors["channel"].get(channel["name"], 0.0)),
        )
        for channel in accounts["channels"]
    )
    return RecordTerms(
        channels,
        tuple(accounts["pools"]),
        str(accounts["method"]),
        float(accounts["rated_power"]),
        float(accounts["register_step"]),
        config,
        factors,
        program,
    )
