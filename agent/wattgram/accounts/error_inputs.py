"""Inputs of the accounts with an error of their own: meters, hybrids, fuels, factors, estimates (METHOD-SITE 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, hypot

from wattgram.config.accuracy_keys import INVERTER_UNSTATED, METER_UNSTATED, SUM_UNSTATED, ErrorPart
from wattgram.config.devices_table import KIND_OF_ROLE, DeviceConfig
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS, RENEWABLES

from . import fuel
from .estimated_energy import OUTSIDE_BALANCE
from .hybrid_nodes import HybridNode, hybrid_nodes

ROOT_3 = 3**0.5
"""Limit of error / standard uncertainty of a rectangular distribution (JCGM 100:2008, 4.3.7)."""

SPLIT_LIMIT = 0.03
"""Limit of the split of a hybrid, of the smaller of PV and battery (METHOD-SITE 11)."""

ESTIMATED_LIMIT = 0.1
"""Limit of estimated energy (METHOD-SITE 11)."""

FUEL_LIMITS = (0.07, 0.07)
"""Limits of a fuel's CO2 factor, and of an amount of fuel that follows from the power.

IPCC Guidelines 1996, volume 1, annex 1, table A1-1: CO2 of energy, 7 % each (unchecked).
"""

RENEWABLE_LIMITS = {"pv": 0.41, "wind": 0.95, "hydro": 0.95}
"""Limits of the life cycle factors of own production: half of the range of IPCC AR5 WG3 Annex III over its median.

The ranges of wind (7 to 56 g/kWh, median 11) and hydro are wider than the median; the limit stays below 1.
"""

SECONDARY_CURRENT = 5.0
"""Rated secondary current of a current transformer, A (IEC 61869-2; 1 A is the other one)."""

USUAL_VOLTAGE = 400.0
"""Nominal voltage of a meter without another one, V."""

SECONDARY_VOLTAGE = 100.0
"""Rated secondary voltage of a voltage transformer, V (IEC 61869-3)."""

MOST_LOW_VOLTAGE = 1500.0
"""Nominal voltage above which a meter is behind voltage transformers, V."""

Parts = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ErrorInput:
    """An input of the accounts, whose parts err together.

    meters, nodes, splits, fuels, priced, late_channels, late_share: as `Perturbed` takes them. factors: relative
    standard uncertainty of the production factor of channels. ratio: sum of the limits / standard uncertainty, of an
    input without meters and nodes. stated: whether the configuration states all limits.
    """

    name: str
    stated: bool = False
    meters: tuple[tuple[int, Parts], ...] = ()
    nodes: tuple[tuple[tuple[int, ...], tuple[int, ...], Parts], ...] = ()
    splits: tuple[tuple[tuple[int, ...], tuple[int, ...], float], ...] = ()
    fuels: tuple[tuple[int, float], ...] = ()
    factors: Mapping[int, float] = field(default_factory=dict)
    priced: bool = False
    late_channels: tuple[int, ...] = ()
    late_share: float = 0.0
    ratio: float = ROOT_3

    def joined(self, other: ErrorInput) -> ErrorInput:
        """Return both as one input: devices of the same `accuracy_group`."""
        return replace(
            self,
            stated=self.stated and other.stated,
            meters=self.meters + other.meters,
            nodes=self.nodes + other.nodes,
        )


def error_inputs(config: Config, channels: Sequence[DeviceConfig]) -> tuple[ErrorInput, ...]:
    """Return the inputs of a site; `channels`: `hybrid_nodes.channels_of` its devices.

    Sub-meters are left out: the load is that of the balance.
    """
    places = {channel.name: index for index, channel in enumerate(channels)}
    nodes = hybrid_nodes(config.devices)
    inside = {name for node in nodes for name in (*node.pv_channels, *node.battery_channels, node.unsplit_channel)}
    inputs: dict[str, ErrorInput] = {}
    for index, channel in enumerate(channels):
        if channel.role in OUTSIDE_BALANCE or channel.name in inside:
            continue
        _join(inputs, channel, meter_input(channel, index))
    for node in nodes:
        _join(inputs, node.inverters[0], _node_input(node, places))
        if split := _split_input(node, places):
            inputs[split.name] = split
    fuel_meters = {device.name: device for device in config.devices if device.role == "fuel"}
    for index, channel in enumerate(channels):
        if channel.role in BURNERS:
            meter = fuel_meters.get(channel.emission.fuel_meter)
            inputs[f"{channel.name} fuel"] = _fuel_input(channel, index, meter)
    for role in RENEWABLES:
        share = RENEWABLE_LIMITS[role] / ROOT_3
        produced = {
            index: share
            for index, channel in enumerate(channels)
            if channel.role == role and fuel.factor(channel, config.grid) > 0.0
        }
        if produced:
            inputs[f"{role} factor"] = ErrorInput(f"{role} factor", factors=produced)
    counted = tuple(index for index, channel in enumerate(channels) if channel.role not in OUTSIDE_BALANCE)
    estimate = ErrorInput("estimated energy", late_channels=counted, late_share=ESTIMATED_LIMIT / ROOT_3)
    return (ErrorInput("grid factor", priced=True), *inputs.values(), estimate)


def without_rated_power(config: Config, channels: Sequence[DeviceConfig]) -> list[str]:
    """Return the names of devices whose limits need a rated power that is unknown; as `error_inputs`.

    The uncertainty of their small powers is too small.
    """
    nodes = hybrid_nodes(config.devices)
    inside = {name for node in nodes for name in (*node.pv_channels, *node.battery_channels, node.unsplit_channel)}
    meters = [
        channel.name
        for channel in channels
        if channel.role not in OUTSIDE_BALANCE
        and channel.name not in inside
        and rated_power(channel) is None
        and any(part.offset for part in _meter_parts(channel))
    ]
    hybrids = [
        node.inverters[0].name
        for node in nodes
        if node.rated_power is None and any(part.offset for part in _node_parts(node))
    ]
    return meters + hybrids


def meter_input(device: DeviceConfig, channel: int) -> ErrorInput:
    """Return the input of a device that is a channel."""
    parts, rated = _meter_parts(device), rated_power(device)
    return ErrorInput(device.name, _is_stated(device, parts, rated), ((channel, in_watts(parts, rated)),))


def rated_power(device: DeviceConfig) -> float | None:
    """Return the rated power of a device's measurement, W; None if unknown.

    Without the key `rated_power`, a meter with a `ratio` has that of its current transformers: primary current x
    nominal voltage x sqrt 3, with 5 A at the secondary side.
    """
    if device.rated_power is not None:
        return device.rated_power
    if device.ratio == 1.0:
        return None
    voltage = device.nominal_voltage or USUAL_VOLTAGE
    turns = device.ratio if voltage <= MOST_LOW_VOLTAGE else device.ratio / (voltage / SECONDARY_VOLTAGE)
    return ROOT_3 * voltage * SECONDARY_CURRENT * turns


def in_watts(parts: Sequence[ErrorPart], rated: float | None) -> Parts:
    """Return the parts as `Perturbed` takes them. An unknown rated power gives no offset: the basis says `assumed`."""
    return tuple((part.share, part.offset * (rated or 0.0)) for part in parts)


def _meter_parts(device: DeviceConfig) -> tuple[ErrorPart, ...]:
    kind = device.device.kind if device.device is not None else KIND_OF_ROLE.get(device.role, "meter")
    return device.accuracy.parts(METER_UNSTATED if kind == "meter" else INVERTER_UNSTATED)


def _node_parts(node: HybridNode) -> tuple[ErrorPart, ...]:
    inverter = node.inverters[0]
    terminal = inverter.device.terminal if inverter.device is not None else None
    summed = terminal is not None and not terminal.bridge and not terminal.grid_port
    return inverter.accuracy.parts(SUM_UNSTATED if summed else INVERTER_UNSTATED)


def _is_stated(device: DeviceConfig, parts: Sequence[ErrorPart], rated: float | None) -> bool:
    """Return whether the accuracy is stated, and the rated power that its offsets need."""
    known = rated is not None and device.rated_power is not None
    return device.accuracy.meter is not None and (known or not any(part.offset for part in parts))


def _join(inputs: dict[str, ErrorInput], device: DeviceConfig, found: ErrorInput) -> None:
    """Add an input, or join it with the others of its accuracy group. A group may have the name of a device."""
    name = f"group {device.accuracy.group}" if device.accuracy.group else found.name
    found = replace(found, name=name)
    inputs[name] = inputs[name].joined(found) if name in inputs else found


def _node_input(node: HybridNode, places: Mapping[str, int]) -> ErrorInput:
    inverter, rated, parts = node.inverters[0], node.rated_power, _node_parts(node)
    law = in_watts(parts, rated)
    pv = tuple(places[name] for name in node.pv_channels if name in places)
    batteries = tuple(places[name] for name in node.battery_channels if name in places)
    stated = inverter.accuracy.meter is not None and (rated is not None or not any(part.offset for part in parts))
    unsplit = ((places[node.unsplit_channel], law),) if node.unsplit_channel in places else ()
    return ErrorInput(node.name, stated, unsplit, ((pv, batteries, law),))


def _split_input(node: HybridNode, places: Mapping[str, int]) -> ErrorInput | None:
    pv = tuple(places[name] for name in node.pv_channels if name in places)
    batteries = tuple(places[name] for name in node.battery_channels if name in places)
    if not pv or not batteries:
        return None
    return ErrorInput(f"{node.name} split", splits=((pv, batteries, SPLIT_LIMIT),))


def _fuel_input(device: DeviceConfig, channel: int, meter: DeviceConfig | None) -> ErrorInput:
    """Return the input of a fuel's carbon: its CO2 factor, and its amount."""
    factor_limit, amount_limit = FUEL_LIMITS
    if meter is not None:
        amount_limit = meter.accuracy.parts(METER_UNSTATED)[0].share
    share = hypot(factor_limit, amount_limit) / ROOT_3
    ratio = fsum((factor_limit, amount_limit)) / share
    return ErrorInput(f"{device.name} fuel", fuels=((channel, share),), factors={channel: share}, ratio=ratio)
