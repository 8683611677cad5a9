from collections.abc import Sequence
from typing import final

ROLES: tuple[str, ...]
"""grid pv wind hydro genset chp battery load ev: what a channel's power means; its sign is the role's own."""

OUTPUTS: tuple[str, ...]
"""Names of the numbers in an output row: load_power grid_import_power grid_export_power pv_power generation_power
battery_discharge_power battery_charge_power residual_power (W, means over the interval), the same eight as
*_energy (Wh), then emission_intensity grid_intensity battery_intensity (g/kWh), emission_rate (g/h), emission
scope1 scope2_location scope2_market avoided captured (g), clean_share self_consumption self_sufficiency coverage
(0-1). NaN where undefined. generation is everything made on the site other than PV; residual is what the
sub-meters (load, ev) count minus the load of the balance (METHOD 4.1), NaN without sub-meters."""

@final
class Accounts:
    """A site's energy balance and carbon accounts over a block of instants; owns the battery pool and windows.

    roles: one of ROLES a channel. factors: g/kWh of each channel's own production (pv wind hydro genset chp;
    ignored elsewhere). method: "proportional" or "local-first" (METHOD 4.4). residual_factor: g/kWh of the
    market-based method's residual mix (METHOD 4.8). charge_efficiency, discharge_efficiency: of the battery, 0-1.
    windows: how many running windows to keep beside the ticks.
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
    ) -> None: ...
    def step(self, block: bytes) -> bytes:
        """Advance over instants in order. Row in (doubles): seconds since the instant before (<= 0: an interval
        does not end here), grid g/kWh, grid clean share (NaN = unknown, taken as 0), then one power in W a channel
        (NaN = missing). Row out: OUTPUTS. Power of an interval is the mean of its two ends, or the end that is
        there. A missing grid channel leaves the balance undefined and coverage 0; any other missing channel of the
        balance leaves it, and coverage is the share that is present."""
    def window(self, index: int, seconds: float) -> bytes:
        """The row of OUTPUTS of a running window: ratios of sums; coverage against its nominal length in s."""
    def reset(self, index: int) -> None:
        """Start the window anew."""
    def stock(self) -> tuple[float, float]:
        """Energy in the battery (Wh inside the store) and its carbon (g)."""
    def ledger(self) -> tuple[float, float, float, float, float]:
        """Grams since the start: in, to load, to export, lost, opening stock; in + opening = load + export +
        lost + what is in the store now, to 1e-9 relative."""
    def state(self) -> bytes:
        """Everything that a restart must not lose, for `restore`."""
    def restore(self, state: bytes) -> None:
        """Continue from `state`; ValueError when it was made by other channels, windows or another version."""
