from collections.abc import Sequence
from typing import final

ROLES: tuple[str, ...]
"""Roles of a channel: grid pv wind hydro genset chp battery load ev. The sign of its power is the role's."""

TERMINAL_ROLE: str
"""Role of a further channel: the AC terminal of a hybrid inverter, + from DC to AC. Its values are NaN while its split
is known; otherwise they replace those of the channels that the terminal contains. An infinite power: it is unknown, and
so is a battery behind it that has no channel."""

GROUPS: tuple[str, ...]
"""Groups of sub-meters: industry power building transport."""

COLUMNS: tuple[str, ...]
"""Optional columns of an input row, after the powers; one double each unless stated. They refer to the interval that
ends with the row; soc and ends to its instant. An impossible number counts as NaN.
energy: two a channel, Wh of its counters in the role's direction and against it; NaN = integrate the power.
carbon: one a channel, g/h of a producer, from its fuel; NaN = its power times its factor.
soc: one a pool, state of charge of its batteries, 0-1; NaN = unknown.
certificates: Wh of purchased certificates, by time of production; NaN = 0.
captured: kg of CO2; NaN = unknown.
official: g/kWh of scope2_location; NaN = official_factor.
burnt: g of fossil CO2 of fuel that makes no electricity: boilers, burners, the heat of a CHP; NaN = unknown.
biogenic: g of biogenic CO2; NaN = unknown. heat: Wh of heat meters; NaN = unknown. All three are counted with or
without a balance, and also in a row without a length.
ends: one a window, its nominal length in s if it ends with this row; else 0 or NaN.
residual: g/kWh of the residual mix of the market-based method; NaN = residual_factor. scope2_market of a time with
import is NaN where both are unknown."""

FACTOR_COLUMN: str
"""A further column, for certificates of several factors: g/kWh of those of the row's hour, the same within an hour.
NaN = certificate_factor of the site."""

OUTPUTS: tuple[str, ...]
"""Names of the numbers of an output row: load_power grid_import_power grid_export_power pv_power generation_power
battery_discharge_power battery_charge_power residual_power (W, means over the interval), the same eight as
*_energy (Wh), then emission_intensity grid_intensity battery_intensity (g/kWh), emission_rate (g/h), emission
scope1 scope2_location scope2_market avoided captured (g), clean_share self_consumption self_sufficiency coverage
(0-1), unaccounted_energy battery_loss_energy (Wh), the carbon of each flow *_emission in the order of the powers,
battery_loss_emission unaccounted_emission (g), and the stock at the end, battery_stock_energy (Wh inside the store)
battery_stock_emission (g). NaN if undefined or unknown. generation is all production on the site other than PV.
residual is the sum of the sub-meters (load, ev) minus the load of the balance (METHOD 4.1); NaN without sub-meters. A
tick's scope2_market is negative if certificates cover import from earlier in the same hour. scope1 is all fossil fuel
burnt on the site (METHOD-SITE 9.7); with a column `burnt`, it is NaN where `burnt` is unknown."""

DETAILS: tuple[str, ...]
"""Names of a window's further numbers: *_energy (Wh), *_emission (g), *_own_energy (Wh of own renewables) of each of
GROUPS and of the rest, the load without a grouped sub-meter; fuel_energy (Wh), fuel_rate (g/h) and
fuel_intensity (g/kWh; NaN at idle) of gensets and CHP; matched_energy (Wh of certificates matched with import);
carbon_free_share (0-1; METHOD 4.9, for windows of whole hours); fuel_emission (g of the fuel of electricity) and
heat_fuel_emission (g of `burnt`), the two parts of scope1; biogenic_emission (g, part of no other number);
heat_energy (Wh)."""

CLOSED: tuple[str, ...]
"""Names of the numbers at a window's end: row (index in the block), window (index), OUTPUTS, DETAILS."""

@final
class Accounts:
    """A site's energy balance and carbon accounts over blocks of instants, with the battery pool and windows.

    roles: one of ROLES a channel, or TERMINAL_ROLE. factors: g/kWh of each channel's own production (pv wind hydro
    genset chp; ignored elsewhere). method: "proportional" or "local-first" (METHOD 4.4). residual_factor: g/kWh of the
    market-based method's residual mix (METHOD 4.8), NaN = unknown.
    charge_efficiency, discharge_efficiency: of the battery, 0-1.
    windows: number of running windows beside the ticks.
    columns: those of COLUMNS, and FACTOR_COLUMN, that a row contains after the powers, in the row's order.
    terminals: for each channel the index of the terminal that contains it, -1 for none; for pv and battery.
    groups: one of GROUPS or "" a channel, used for load and ev; without groups, every ev is transport.
    rated_power (W), register_step (Wh): a window's load below max(0.005 rated_power W, 5 register_step) has no
    intensity (METHOD 4.5); 0 = any load has one. official_factor: g/kWh of scope2_location (METHOD 4.3, 4.8);
    NaN = the row's. certificate_factor: g/kWh of certificates. hour: index of the window in which certificates are
    matched; required with certificates.
    capacity: Wh inside the battery; required with soc. soc_time: s in which a difference between stock and state of
    charge falls to 1/e. self_discharge: share of the stock lost in an hour (METHOD 4.6).
    learning: no efficiency is configured. Without a state of charge, both directions then have half of the loss of the
    learned round trip, until then of 0.85 (METHOD-SITE 9.6).
    busbars: index of each channel's busbar, default 0. Each busbar has a balance and a mix of its own; the numbers of
    the site are sums, and ratios of sums; its load is known if that of each busbar is (METHOD-SITE 8.4).
    pools: index of each channel's pool, used for batteries, default 0. The batteries of a pool are on one busbar and
    are summed before the sign decides; each pool has a stock of its own. batteries: (charge_efficiency,
    discharge_efficiency, capacity, self_discharge, learning) of each pool, by default the arguments above.
    upstream: share of each producer's carbon that is not of the combustion of its fuel, default 0: it is in the carbon
    of the electricity, and not in scope1.
    ValueError: the message names the invalid argument.
    """

    def __init__(
        self,
        roles: Sequence[str],
        factors: Sequence[float],
        *,
        method: str = "proportional",
        residual_factor: float = ...,
        charge_efficiency: float = 0.95,
        discharge_efficiency: float = 0.95,
        windows: int = 0,
        columns: Sequence[str] = (),
        groups: Sequence[str] | None = None,
        terminals: Sequence[int] | None = None,
        rated_power: float = 0.0,
        register_step: float = 0.0,
        official_factor: float = ...,
        certificate_factor: float = 0.0,
        hour: int = -1,
        capacity: float = 0.0,
        soc_time: float = 3600.0,
        self_discharge: float = 0.0,
        learning: bool = False,
        busbars: Sequence[int] | None = None,
        pools: Sequence[int] | None = None,
        batteries: Sequence[tuple[float, float, float, float, bool]] | None = None,
        upstream: Sequence[float] | None = None,
    ) -> None: ...
    def step(self, block: bytes) -> bytes:
        """Advance over instants in order, and return a row of OUTPUTS for each.

        Input row (doubles): seconds since the previous instant (below 1 ns: no interval ends here), grid g/kWh, grid
        clean share (outside 0-1: unknown, counts as 0), one power in W a channel (NaN = missing, below 1e-12 = 0), then
        `columns`. The power of an interval is its counters' energy over its time, else the mean of the powers at its
        ends, or the power at the end that is present. A flow is known if each of its channels is present. The load, and
        what follows from it, is known if each flow is; coverage is the share of present channels. Present channels are
        booked in any case; without a load, what they move is unaccounted. The division of rows into blocks does not
        change the result.

        A terminal with a counted energy, or with a power while a channel that it contains is missing, replaces its
        channels in the interval: they count as missing, but the load is known by the terminal. Its carbon and its mix,
        and the figures of the battery, are unknown then (METHOD-SITE 8.2, 9.1). A terminal with an infinite power does
        not replace its channels: while one of them is missing, charge and discharge of the site are unknown.
        """
    def late(self, row: bytes) -> None:
        """Book late energy of the running quarter of an hour (METHOD-SITE 9.3).

        row: as of `step`, with the seconds without a load since the quarter began; the powers 0, NaN for a channel that
        is still unknown, or for a terminal that hid a battery without a channel; the energies late Wh, the carbon late
        g. If each flow is known now, what was booked without a load is settled with it: the energy that was unaccounted
        becomes the load's.
        """
    def abandon(self) -> None:
        """Forget what was booked without a load: it stays unaccounted."""
    def closed(self) -> bytes:
        """Return rows of CLOSED for the windows that ended in the last `step`, in order. Each restarted at its end."""
    def window(self, index: int, seconds: float) -> bytes:
        """Return the row of OUTPUTS of a running window: ratios of sums. seconds: nominal length, for coverage."""
    def details(self, index: int) -> bytes:
        """Return the row of DETAILS of a running window."""
    def reset(self, index: int) -> None:
        """Restart a window."""
    def stock(self) -> tuple[float, float]:
        """Return the energy in the batteries (Wh inside the stores) and its carbon (g): the sums of the pools."""
    def stocks(self) -> list[tuple[float, float]]:
        """Return the same of each pool."""
    def concentrated(self) -> bool:
        """Return whether a pool's carbon per Wh exceeds twice the maximum charged since the store was empty.

        This is an alarm: the losses then contradict the meters (METHOD 4.6).
        """
    def out_of_range(self, pool: int = 0) -> bool:
        """Return whether a store's intensity lies outside the range of what ever was charged (METHOD-SITE 9.6).

        Above twice the maximum, or below 95 % of the minimum. IndexError: no such pool.
        """
    def round_trip(self, pool: int = 0) -> tuple[float, float]:
        """Return the efficiency of a round trip that is used, and the learned one, 0-1; NaN before it is learned.

        IndexError: no such pool.
        """
    def ledger(self) -> tuple[float, float, float, float, float, float]:
        """Return grams since the start: in, to load, to export, lost, opening stock, unaccounted.

        in + opening = load + export + lost + unaccounted + present stock, to 1e-9 relative.
        """
    def state(self) -> bytes:
        """Return the state for `restore` after a restart."""
    def restore(self, state: bytes) -> None:
        """Continue from `state`, also of versions 2 to 4: of one busbar and one pool, without channels of terminals.

        Several pools share the stock of the one pool by capacity. ValueError: from other channels, busbars, pools or
        windows, or of another version.
        """
