"""What can go wrong in the agent; the type answers whether to try again."""

from collections.abc import Mapping


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
    """The sink did not take the batch; keep it and retry, not before `retry_after` seconds when that is given.

    `accepted` is how many records at the head of the batch it is done with all the same; `refused` says by index which
    of those it will never take, and why.
    """

    def __init__(
        self,
        message: str,
        *,
        accepted: int = 0,
        refused: Mapping[int, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.accepted = accepted
        self.refused = dict(refused or {})
        self.retry_after = retry_after


class FeedError(WattgramError):
    """A grid source gave nothing usable now. Keep what there is; ask again, not before `retry_after` s when given."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FeedRefused(FeedError):
    """A grid source will not answer until its configuration changes: wrong token, zone or address. Ask seldom."""
