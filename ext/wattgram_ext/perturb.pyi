from collections.abc import Iterable, Sequence
from typing import final

Parts = Sequence[tuple[float, float]]
"""Parts of a measuring chain: limit of error as a share of the power, and offset, W: share x (|P| + offset)."""

@final
class Perturbed:
    """Rows of `intensity.Accounts` in which one input is changed by its standard uncertainty (METHOD-SITE 11).

    width: doubles of a row. channels: number of its powers. windows: number of running windows, the first of which is
    the quarter of an hour. energies, carbon: index
    of the first number of these columns, -1 without them.
    meters: channels whose readings change, each with its parts. nodes: hybrids whose terminals change, each with its
    channels of PV, its channels of batteries and its parts. splits: hybrids whose split changes by a share of the
    smaller of PV and battery, while the terminal stays. fuels: channels whose carbon changes by a share.
    priced: whether the grid's intensity changes. late_channels: those whose late energy changes by `late_share`.
    ValueError: a channel, a part or a column is invalid.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        windows: int,
        *,
        energies: int = -1,
        carbon: int = -1,
        meters: Iterable[tuple[int, Parts]] = (),
        nodes: Iterable[tuple[Sequence[int], Sequence[int], Parts]] = (),
        splits: Iterable[tuple[Sequence[int], Sequence[int], float]] = (),
        fuels: Iterable[tuple[int, float]] = (),
        priced: bool = False,
        late_channels: Iterable[int] = (),
        late_share: float = 0.0,
    ) -> None: ...
    def rows(self, block: bytes, signal: bytes) -> bytes:
        """Return the rows with the input changed. signal: a double for each row, relative change of the intensity."""
    def late(self, row: bytes, hours: float, signal: float) -> bytes:
        """Return a row of late energy with the input changed.

        hours: time in which any channel was unknown. Each channel has at most the part of the running quarter of an
        hour in which the rows did not know it.
        """
    def powers(self, powers: bytes) -> bytes:
        """Return the powers of an instant, W, a double for each channel, with the input changed."""
    def ratio(self, window: int) -> float:
        """Return sum of the limits / standard uncertainty of the energies of a running window; sqrt 3 without any."""
    def reset(self, window: int) -> None:
        """Restart a window."""
    def tallies(self) -> list[tuple[float, float]]:
        """Return the standard uncertainty and the sum of the limits of each running window, Wh, for a restart."""
    def set_tallies(self, tallies: Iterable[tuple[float, float]]) -> None:
        """Continue from `tallies`."""
    def times(self) -> list[float]:
        """Return the known time of each channel in the running quarter of an hour, s, for a restart."""
    def set_times(self, times: Iterable[float], powers: bytes) -> None:
        """Continue from `times`. powers: of the last instant, W, a double for each channel."""
