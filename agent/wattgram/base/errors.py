"""Exceptions of the agent. The type says whether a retry makes sense."""

from collections.abc import Iterable, Mapping

from .refusal import SinkRefusal


class WattgramError(Exception):
    """Base class of all exceptions of the agent."""


class ConfigError(WattgramError):
    """Mistakes in the configuration, one line each: file, place, found, allowed, nearest word. Final."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class SpoolError(WattgramError):
    """The disk cannot write or read records now. Retry; appended records are still in memory."""


class HistoryError(WattgramError):
    """No history is stored, or none for the request; the message says what is stored. Final."""


class SinkError(WattgramError):
    """The sink did not answer for the whole batch. Keep the rest and retry, not before `retry_after` s if given.

    Indexes of the batch: `taken`, records that the sink stored before it failed; `refused`, records that it refused.
    `unavailable`: the failure has nothing to do with the records sent, so none of them is suspected.
    """

    def __init__(
        self,
        message: str,
        *,
        taken: Iterable[int] = (),
        refused: Mapping[int, SinkRefusal] | None = None,
        retry_after: float | None = None,
        unavailable: bool = False,
    ) -> None:
        super().__init__(message)
        self.unavailable = unavailable
        self.taken = frozenset(taken)
        self.refused = dict(refused or {})
        self.retry_after = retry_after


class RefusalsOnly(SinkError):
    """The sink refused the first records of a batch and accepted none; the rest was not sent. The connection works."""


class FeedError(WattgramError):
    """A grid source gave no usable value. Keep the last values and retry, not before `retry_after` s."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FeedRefused(FeedError):
    """A grid source rejects the configuration: wrong token, zone or address. Retry rarely."""
