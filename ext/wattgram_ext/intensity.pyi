from collections.abc import Sequence
from typing import final

ROLES: tuple[str, ...]
"""grid pv wind hydro genset chp battery load ev: what a channel's power means; its sign is the role's own."""

GROUPS: tuple[str, ...]
"""industry power building transport: what a sub-meter's use is counted under."""

COLUMNS: tuple[str, ...]
"""What a row in can carry behind the powers; one double each but where said. All are of the interval that ends with
the row, soc and ends of its instant; a number that cannot be is NaN.
energy: two a channel, Wh by its counters in the role's direction and against it; NaN = integrate the power.
carbon: one a channel, g/h that a producer emits by its fuel; NaN = its power times its factor.
soc: state of charge of the battery, 0-1; NaN = unknown.
certificates: Wh of bought certificates that were produced then; NaN = 0.
captured: kg of CO2; NaN = unknown.
official: g/kWh of scope2_location; NaN = official_factor.
ends: one a window, its nominal length in s where it ends with this row; else 0 or NaN."""

OUTPUTS: tuple[str, ...]
"""Names of the numbers in an output row: load_power grid_import_power grid_export_power pv_power generation_power
battery_discharge_power battery_charge_power residual_power (W, means over the interval), the same eight as
*_energy (Wh), then emission_intensity grid_intensity battery_intensity (g/kWh), emission_rate (g/h), emission
scope1 scope2_location scope2_market avoided captured (g), clean_share self_consumption self_sufficiency coverage
(0-1). NaN where undefined. generation is everything made on the site other than PV; residual is what the
sub-meters (load, ev) count minus the load of the balance (METHOD 4.1), NaN without sub-meters. A tick's scope2_market
is negative where certificates cover import from earlier in the same hour."""

DETAILS: tuple[str, ...]
"""Names of what a window knows beyond OUTPUTS: *_energy (Wh), *_emission (g), *_own_energy (Wh of own renewables) of
each of GROUPS and of the rest, the load that no grouped sub-meter counts; fuel_energy (Wh), fuel_rate (g/h) and
fuel_intensity (g/kWh; NaN at idle) of gensets and CHP; matched_energy (Wh of certificates matched with import);
carbon_free_share (0-1; METHOD 4.9, for windows of whole hours)."""

CLOSED: tuple[str, ...]
"""Names of the numbers that tell of a window's end: row (place in the block), window (index), OUTPUTS, DETAILS."""

@final
class Accounts:
    """A site's energy balance and carbon accounts over a block of instants; owns the battery pool and windows.

    roles: one of ROLES a channel. factors: g/kWh of each channel's own production (pv wind hydro genset chp;
    ignored elsewhere). method: "proportional" or "local-first" (METHOD 4.4). residual_factor: g/kWh of the
    market-based method's residual mix (METHOD 4.8). charge_efficiency, discharge_efficiency: of the battery, 0-1.
    windows: how many running windows to keep beside the ticks.
    columns: which of COLUMNS a row carries behind the powers, in the row's order.
    groups: one of GROUPS or "" a channel, read for load and ev; without groups each ev is transport.
    rated_power (W), register_step (Wh): a window's load below max(0.005 rated_power W, 5 register_step) has no
    intensity (METHOD 4.5); 0 = any load has one. official_factor: g/kWh of scope2_location (METHOD 4.3, 4.8);
    NaN = the row's. certificate_factor: g/kWh of certificates. hour: index of the window in which certificates are
    matched; needed with certificates.
    capacity: Wh inside the battery; needed with soc. soc_time: s in which a difference between stock and state of
    charge falls to 1/e. self_discharge: share of the stock lost an hour (METHOD 4.6).
    ValueError names what is wrong.
    """

    def __init__(
        self,
        roles: Sequence[str],
        factors: Sequence[float],
        *,
        method: str = "proportional",
        residual_factor: float = 609.6,
        charge_efficiency: float = 0.95,
        discharge_efficiency: float = 0.95,
        windows: int = 0,
        columns: Sequence[str] = (),
        groups: Sequence[str] | None = None,
        rated_power: float = 0.0,
        register_step: float = 0.0,
        official_factor: float = ...,
        certificate_factor: float = 0.0,
        hour: int = -1,
        capacity: float = 0.0,
        soc_time: float = 3600.0,
        self_discharge: float = 0.0,
    ) -> None: ...
    def step(self, block: bytes) -> bytes:
        """Advance over instants in order. Row in (doubles): seconds since the instant before (<= 0: an interval
        does not end here), grid g/kWh, grid clean share (else than 0-1: unknown, 0), then one power in W a channel
        (NaN = missing), then `columns`. Row out: OUTPUTS. Power of an interval is its counters' energy over its time,
        else the mean of its two ends, or the end that is there. A missing grid channel leaves the balance undefined
        and coverage 0; any other missing channel of the balance leaves it, and coverage is the share that is present.
        The same bytes come out however the rows are cut into blocks."""
    def closed(self) -> bytes:
        """Rows of CLOSED for the windows that ended in the last `step`, in order; each began anew at its end."""
    def window(self, index: int, seconds: float) -> bytes:
        """The row of OUTPUTS of a running window: ratios of sums; coverage against its nominal length in s."""
    def details(self, index: int) -> bytes:
        """The row of DETAILS of a running window."""
    def reset(self, index: int) -> None:
        """Start the window anew."""
    def stock(self) -> tuple[float, float]:
        """Energy in the battery (Wh inside the store) and its carbon (g)."""
    def concentrated(self) -> bool:
        """Whether the battery's carbon per Wh is above twice the most that was ever charged since it was empty: an
        alarm, as losses then outweigh what the meters say (METHOD 4.6)."""
    def ledger(self) -> tuple[float, float, float, float, float]:
        """Grams since the start: in, to load, to export, lost, opening stock; in + opening = load + export +
        lost + what is in the store now, to 1e-9 relative."""
    def state(self) -> bytes:
        """Everything that a restart must not lose, for `restore`."""
    def restore(self, state: bytes) -> None:
        """Continue from `state`; ValueError when it was made by other channels, windows or another version."""
