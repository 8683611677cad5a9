"""How a site is wired: devices, which is behind which, and the metering tree (METHOD-SITE 8.1, 8.3, 8.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from .hybrid import Terminal

PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
SUB_METERS = ("load", "ev")
ROLES = ("grid", "battery", "fuel", "heat", *PRODUCERS, *SUB_METERS)


@dataclass(frozen=True, slots=True)
class Cell:
    """A battery's constants: capacity in Wh, and either both efficiencies or a round trip that is configured.

    With none of them the round trip is learned. `begins` is the energy in the store at the start, Wh.
    """

    capacity: Fraction | None = None
    charging: Fraction | None = None
    discharging: Fraction | None = None
    begins: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the configuration.

    `factor` is the carbon of a producer in g/kWh, or of a fuel in g per unit of fuel; `feeds` names the genset or CHP
    that a fuel meter's fuel is burnt in, "" a boiler or a burner. `counters` says that energy counted during a silence
    is read afterwards. `silent_at_night` is METHOD-SITE 9.2. A terminal makes a PV inverter a hybrid; inverters of
    the same `node` share their battery. `electrical`, `thermal` are a CHP's reference efficiencies.
    """

    name: str
    role: str
    group: str = ""
    behind: str = ""
    rated: Fraction | None = None
    factor: Fraction | None = None
    counters: bool = True
    silent_at_night: bool = False
    terminal: Terminal | None = None
    node: str = ""
    cell: Cell | None = None
    feeds: str = ""
    electrical: Fraction | None = None
    thermal: Fraction | None = None


class NotWired(ValueError):
    """The configuration cannot be wired so; the message names device, what was found, what is allowed."""


@dataclass(frozen=True, slots=True)
class Site:
    """Devices and how incomers are netted: "busbar" or "connection". Construction checks the wiring.

    `rated` is the site's rated power, W: an intensity is absent below 0.5 % of it (METHOD 4.5).
    """

    devices: tuple[Device, ...]
    netting: str = "busbar"
    method: str = "proportional"
    timezone: str = "Asia/Shanghai"
    latitude: float | None = None
    longitude: float | None = None
    rated: Fraction | None = None
    named: dict[str, Device] = field(init=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        """Raise NotWired for an unknown role or name, a circle, and a device without an incomer."""
        object.__setattr__(self, "named", {device.name: device for device in self.devices})
        if len(self.named) != len(self.devices):
            raise NotWired("two devices have the same name")
        for device in self.devices:
            if device.role not in ROLES:
                raise NotWired(f"{device.name}: role {device.role!r}; allowed: {', '.join(ROLES)}")
            chain = [device.name]
            while behind := self.named[chain[-1]].behind:
                if behind not in self.named:
                    raise NotWired(f"{chain[-1]}: behind {behind!r}, which is no device")
                if behind in chain:
                    raise NotWired(f"{device.name}: behind is a circle: {' > '.join([*chain, behind])}")
                chain.append(behind)
            places = {other.behind for other in self.devices if device.node and other.node == device.node}
            if len(places) > 1:
                raise NotWired(f"{device.name}: inverters on a shared battery stand at {sorted(places)}; one place")
            if self.netting == "connection" and self.needs_incomer(device) and not self.incomer(device):
                raise NotWired(f"{device.name}: behind names no incomer; netting is connection")

    def needs_incomer(self, device: Device) -> bool:
        """Whether the device is on a busbar."""
        return device.role not in ("grid", "fuel", "heat")

    def above(self, device: Device) -> Iterator[Device]:
        """The devices that the device is behind, nearest first."""
        while device.behind:
            device = self.named[device.behind]
            yield device

    def below(self, name: str) -> list[Device]:
        """The devices directly behind a device."""
        return [device for device in self.devices if device.behind == name]

    def incomer(self, device: Device) -> str:
        """Name of the incomer that the device is behind, "" for none."""
        return next((found.name for found in (device, *self.above(device)) if found.role == "grid"), "")

    def busbars(self) -> list[str]:
        """Names of the busbars: "" for the single one, else the incomers'."""
        if self.netting == "busbar":
            return [""]
        return [device.name for device in self.devices if device.role == "grid"]

    def busbar(self, device: Device) -> str:
        """Name of the device's busbar."""
        return "" if self.netting == "busbar" else self.incomer(device)

    def is_node(self, device: Device) -> bool:
        """Whether the device is a source or a sink of the balance of its own: a battery behind a hybrid is not."""
        return device.role in PRODUCERS or (device.role == "battery" and self.hybrid_of(device) is None)

    def hybrid_of(self, device: Device) -> Device | None:
        """The hybrid whose DC side the battery is on."""
        above = self.named.get(device.behind)
        return above if device.role == "battery" and above is not None and above.terminal is not None else None

    def node_of(self, device: Device) -> str:
        """Name of the device's node: the shared battery's, or the device's own."""
        return device.node or device.name

    def battery_of(self, node: str) -> Device | None:
        """The battery of the configuration on the DC side of a node's hybrids."""
        for device in self.devices:
            hybrid = self.hybrid_of(device)
            if hybrid is not None and self.node_of(hybrid) == node:
                return device
        return None

    def is_detail(self, device: Device) -> bool:
        """Whether the sub-meter's nearest metering ancestor has the same group: it adds nothing to the group."""
        for above in self.above(device):
            if above.role in SUB_METERS:
                return above.group == device.group
        return False

    def behind_meter(self, meter: Device) -> tuple[list[Device], list[Device]]:
        """Nodes behind a sub-meter, and the sub-meters of other groups whose readings are subtracted.

        Reached through sub-meters of the same group only; the subtree of a sub-meter of another group is not entered.
        """
        nodes: list[Device] = []
        others: list[Device] = []
        waiting = self.below(meter.name)
        while waiting:
            device = waiting.pop(0)
            if device.role in SUB_METERS and device.group != meter.group:
                others.append(device)
                continue
            if self.is_node(device):
                nodes.append(device)
            waiting.extend(self.below(device.name))
        return nodes, others

    def own_use(
        self, meter: Device, reading: Callable[[Device], Fraction | None], net: Callable[[str], Fraction | None]
    ) -> Fraction | None:
        """Return what a sub-meter adds to its group; 0 for detail, None while a part is unknown.

        reading(device) is a sub-meter's reading, net(node) is pv + discharge + generation - charge of a node.
        """
        if self.is_detail(meter):
            return Fraction(0)
        nodes, others = self.behind_meter(meter)
        parts = [reading(meter), *(net(name) for name in dict.fromkeys(map(self.node_of, nodes)))]
        taken = [reading(device) for device in others]
        if None in parts or None in taken:
            return None
        return sum((part for part in parts if part is not None), Fraction(0)) - sum(
            (part for part in taken if part is not None), Fraction(0)
        )


def through(site: Site, used: Callable[[Device], Fraction], net: Callable[[str], Fraction]) -> dict[str, Fraction]:
    """Return what each meter must read when `used` hangs directly on it: the wiring walked forwards.

    A sub-meter reads its own loads and all that is behind it, less the sources' production. An incomer of its own
    busbar alike; the incomers of a shared busbar are not told apart, and the first carries the sum.
    """
    nodes_seen: set[str] = set()

    def flow(device: Device) -> Fraction:
        total = used(device) if device.role in (*SUB_METERS, "grid") else Fraction(0)
        if site.is_node(device) and site.node_of(device) not in nodes_seen:
            nodes_seen.add(site.node_of(device))
            total -= net(site.node_of(device))
        total += sum((flow(below) for below in site.below(device.name)), Fraction(0))
        if device.role in (*SUB_METERS, "grid"):
            readings[device.name] = total
        return total

    readings: dict[str, Fraction] = {}
    grids = [device for device in site.devices if device.role == "grid"]
    roots = [flow(device) for device in site.devices if not device.behind and device.role != "grid"]
    for number, grid in enumerate(grids):
        flow(grid)
        if number == 0 and site.netting == "busbar":
            readings[grid.name] += sum(roots, Fraction(0))
    return readings
