"""The compiled accounts of a configured site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wattgram_ext.intensity import FACTOR_COLUMN, Accounts

from wattgram.base.record import WINDOWS
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.load import Config
from wattgram.counters.metering import counter_step

from . import battery_pool, fuel
from .account_parts import AccountParts

RESIDUAL_COLUMN = "residual"
UNCHANGED: Mapping[int, float] = MappingProxyType({})


def site_accounts(
    config: Config,
    channels: Sequence[DeviceConfig],
    parts: AccountParts,
    columns: Sequence[str],
    terminals: Sequence[int],
    changes: Mapping[int, float] = UNCHANGED,
) -> Accounts:
    """Return the accounts of a site without any energy; the arguments after `config` as in `Layout`.

    A row of the accounts has more columns than a stored row: the residual mix of its own year, and with certificates of
    several factors that of its hour. changes: relative changes of the factors of channels.
    """
    certificates = config.grid.certificates
    rated_power, register_step = smallest_load(channels)
    return Accounts(
        [device.role for device in channels],
        [fuel.factor(device, config.grid) * (1.0 + changes.get(index, 0.0)) for index, device in enumerate(channels)],
        method=config.grid.method,
        windows=len(WINDOWS),
        columns=(*columns, RESIDUAL_COLUMN, *((FACTOR_COLUMN,) if certificates and certificates.factors else ())),
        groups=groups_of(channels),
        terminals=terminals,
        rated_power=rated_power,
        register_step=register_step,
        certificate_factor=certificates.factor if certificates else 0.0,
        hour=WINDOWS.index("1h"),
        busbars=parts.busbars,
        pools=parts.pool_indices,
        batteries=pools_of(parts),
        upstream=[fuel.upstream_share(device, config.grid) for device in channels],
    )


def groups_of(channels: Sequence[DeviceConfig]) -> list[str]:
    """Return the group of each channel, "" for none; chargers of vehicles are transport by default."""
    return [device.group or ("transport" if device.role == "ev" else "") for device in channels]


def smallest_load(channels: Sequence[DeviceConfig]) -> tuple[float, float]:
    """Return rated power (W) and coarsest counter step (Wh) of the incomers, for the load that has an intensity.

    The power is 0 if the power of an incomer is unknown (METHOD 4.5).
    """
    incomers = [device for device in channels if device.role == "grid"]
    powers = [device.rated_power for device in incomers]
    rated_power = sum(power for power in powers if power) if all(powers) else 0.0
    return float(rated_power), max((counter_step(device.device, device.role) for device in incomers), default=0.0)


def pools_of(parts: AccountParts) -> list[battery_pool.Pool]:
    """Return the settings of each pool. The configured batteries alone count: others have no settings."""
    return [battery_pool.pool([device.battery for device in node.batteries]) for node in parts.pools]
