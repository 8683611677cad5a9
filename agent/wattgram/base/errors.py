"""What can go wrong in the agent; the type answers whether to try again."""

from collections.abc import Iterable, Mapping


class WattgramError(Exception):
    """Anything that the agent reports."""


class ConfigError(WattgramError):
    """The configuration has mistakes, one line each: file, place, found, allowed, nearest word. Final."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class SpoolError(WattgramError):
    """The disk does not take or give records now. Retry; what was appended is still in memory."""


class HistoryError(WattgramError):
    """There is no stored history to read, or nothing in it of what was asked; the message says what there is. Final."""


class SinkError(WattgramError):
    """The sink did not accept the whole batch. Keep the rest and retry, after `retry_after` s at the earliest if given.

    Indexes of the batch: `taken`, records that the sink stored before it failed; `refused`, records that the sink will
    never accept, each with its reason; `doubted`, records refused for a reason that may pass. `unavailable`: the
    failure has nothing to do with the records sent, so none of them is suspected.
    """

    def __init__(
        self,
        message: str,
        *,
        taken: Iterable[int] = (),
        refused: Mapping[int, str] | None = None,
        doubted: Mapping[int, str] | None = None,
        retry_after: float | None = None,
        unavailable: bool = False,
    ) -> None:
        super().__init__(message)
        self.unavailable = unavailable
        self.taken = frozenset(taken)
        self.refused = dict(refused or {})
        self.doubted = dict(doubted or {})
        self.retry_after = retry_after


class FeedError(WattgramError):
    """A grid source gave nothing usable now. Keep what there is; ask again, not before `retry_after` s when given."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FeedRefused(FeedError):
    """A grid source will not answer until its configuration changes: wrong token, zone or address. Ask seldom."""
