"""What the results of a site depend on beside its readings, as text: configuration, structure of the accounts, factors.

The digests of both texts stand in every emission record, the texts in a `configuration` record. So a stranger finds the
terms of a result, and hashes the text to see that they are its terms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattgram import __version__
from wattgram.base.canonical import Plain, canonical, digest, plain
from wattgram.base.record import Record, Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.effective import effective
from wattgram.config.fuel_properties import FUELS
from wattgram.config.grid_table import factor_table
from wattgram.config.load import Config
from wattgram.config.role_keys import ASSUMED
from wattgram.grid.mix import Factors

from . import fuel, site_accounts
from .account_parts import AccountParts
from .metering_point import PRODUCERS

LABEL_TEXTS = ("grid_source", "basis", "method")
"""Texts of an emission record that belong to the grid's value."""

DIGEST_TEXTS = ("factor_digest", "config_digest")
"""Texts of an emission record that name the terms of its numbers."""

EMISSION_TEXTS = (*LABEL_TEXTS, *DIGEST_TEXTS)

TERMS_TEXTS = ("config_digest", "factor_digest", "program", "config", "factors")
"""Texts of a `configuration` record."""


@dataclass(frozen=True, slots=True)
class StatedTerms:
    """Canonical JSON texts of the terms of a site's results.

    config: the effective configuration without secrets, and under `structure` the structure that it gives the accounts.
    factors: official and residual factors of the zone, factors of mixes, of fuels, and of each channel's production.
    digests: the texts `factor_digest` and `config_digest` of an emission record.
    """

    config: str
    factors: str
    digests: tuple[str, str]
    program: str = __version__

    @classmethod
    def of(
        cls,
        config: Config,
        channels: Sequence[DeviceConfig],
        parts: AccountParts,
        columns: Sequence[str],
        terminals: Sequence[int],
    ) -> StatedTerms:
        """Return the terms of a configured site; the arguments after `config` as in `books.Layout`."""
        structure = account_terms(config.grid.method, channels, parts, columns, terminals)
        settings: dict[str, Plain] = {**effective(config), "structure": structure}
        text, factors = canonical(settings), canonical(factor_terms(config, channels))
        return cls(text, factors, (digest(factors), digest(text)))

    @property
    def settings(self) -> dict[str, Plain]:
        """All terms by name, as plain data."""
        return {**json.loads(self.config), "factors": json.loads(self.factors), "program": self.program}

    def record(self, site: str, time: int) -> Record:
        """Return the `configuration` record; time: of the first instant with these terms, UTC ns."""
        factor_digest, config_digest = self.digests
        series = Series("configuration", (("site", site),), (), (), TERMS_TEXTS)
        return Record(series, time, b"", (config_digest, factor_digest, self.program, self.config, self.factors))


def account_terms(
    method: str,
    channels: Sequence[DeviceConfig],
    parts: AccountParts,
    columns: Sequence[str],
    terminals: Sequence[int],
) -> Plain:
    """Return the structure of the accounts: the channels in the order of a row, and the pools of batteries.

    rated_power (W) and register_step (Wh) are those of METHOD 4.5. busbar, pool and terminal are indices, terminal is
    -1 for none.
    """
    groups = site_accounts.groups_of(channels)
    places = zip(channels, groups, parts.busbars, parts.pool_indices, terminals, strict=True)
    rated_power, register_step = site_accounts.smallest_load(channels)
    listed = [
        {"name": device.name, "role": device.role, "group": group, "busbar": busbar, "pool": pool, "terminal": terminal}
        for device, group, busbar, pool, terminal in places
    ]
    pools = [
        {"name": node.name, "busbar": node.busbar, **pool._asdict()}
        for node, pool in zip(parts.pools, site_accounts.pools_of(parts), strict=True)
    ]
    return plain(
        {
            "method": method,
            "rated_power": rated_power,
            "register_step": register_step,
            "columns": columns,
            "channels": listed,
            "pools": pools,
        }
    )


def factor_terms(config: Config, channels: Sequence[DeviceConfig]) -> Mapping[str, object]:
    """Return the factors that the results of a site can depend on, in g/kWh unless stated."""
    grid = config.grid
    table = factor_table(grid, config.site.timezone).stated(grid.zone, grid.basis)
    return {
        "zone": grid.zone,
        "basis": grid.basis,
        "configured": grid.factor,
        "configured_residual": grid.residual,
        **table,
        "mix": {
            name: Factors.shipped(name, grid.basis).by_fuel for name in sorted({each.factors for each in grid.sources})
        },
        "certificates": (grid.certificates.factors or grid.certificates.factor) if grid.certificates else None,
        "channel": {device.name: fuel.factor(device, grid) for device in channels if device.role in PRODUCERS},
        "fuel_heat": {name: each.carbon for name, each in FUELS.items()},  # g per kWh of heat
        "fuel_unit": {name: each.heat for name, each in FUELS.items()},  # kWh of heat by unit of a meter
        "assumed": ASSUMED,
    }
