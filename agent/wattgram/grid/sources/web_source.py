"""A grid source that polls a web service over HTTP: the keys of such a source, its polling and its back-off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from wattgram.base import toml_table, units
from wattgram.base.clock import Clock
from wattgram.base.errors import FeedError, FeedRefused
from wattgram.base.proxies import ProxyKeys, read_proxy
from wattgram.base.secret import revealed
from wattgram.base.toml_table import Table
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.signal import FORECAST, NS, Signal

from .fetch import FETCH_TIMEOUT, get

WEB_FIRST_WAIT = 30.0
WEB_LONGEST_WAIT = 3600.0

REFUSED_WAIT = 21600.0
"""Wait in s after a refusal that only another configuration can end."""

UTC_DAY = 86_400 * NS

USUAL_WINDOW = UTC_DAY
"""Past that each poll asks for, ns: services replace estimates and fill gaps within a day."""

LONGEST_WINDOW = 7 * UTC_DAY
"""Longest past that a poll asks for after an outage, ns."""

LONG_POLL = 86_400.0
"""Time between two polls for the longest past, s: some measured values come days later."""

SETTLING = 2 * UTC_DAY
"""Age from which a measured value is not replaced any more, ns.

Services adjust the values of a week by small amounts; each adjustment would publish a week of ticks again.
"""

SECRET_CHECK = 60.0
"""Time between two looks for a new secret after a refusal, s."""

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
"""Hosts to which http:// does not reveal a token."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Keys of every web source.

    url: base address. interval: s between two requests. ca: file of a private CA. proxy: None for the environment's.
    """

    url: str
    interval: float
    ca: Path | None
    proxy: ProxyKeys | None = None


def read_web(table: Table, directory: Path, url: str, interval: float) -> WebSettings:
    """Read the keys of every web source, with these default values; mistakes go to the table."""
    return WebSettings(
        url=table.take("url", _address, url) or "",
        interval=table.take("interval", toml_table.bounded(units.duration, 60.0, 86400.0, "1min to 1d"), interval)
        or interval,
        ca=table.take("ca", toml_table.file(directory), None),
        proxy=read_proxy(table, directory),
    )


def read_web_with_token(table: Table, directory: Path, url: str, interval: float) -> tuple[WebSettings, str]:
    """Read the keys of a web source that needs a token; mistakes go to the table, also an address that reveals it."""
    token = table.take("token", toml_table.secret(directory), toml_table.REQUIRED)
    text = revealed(token) or ""
    if not (text.isascii() and text.isprintable()):
        table.mistake("token", "found characters that no header can carry; allowed: one line of printable ASCII")
    web = read_web(table, directory, url, interval)
    if web.url.startswith("http://") and toml_table.address({"http": 80})(web.url)[1] not in LOCAL_HOSTS:
        table.mistake("url", "found http://, which would show the token to everybody; allowed: https://HOST[:PORT]")
    return web, token or ""


def _address(value: object) -> str:
    toml_table.address({"https": 443, "http": 80})(value)
    text = str(value).rstrip("/")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(f"found {value!r}; allowed: https://HOST[:PORT][/PATH] in printable ASCII without spaces")
    return text


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One GET of a poll.

    name: name of the part, for messages. url: whole address; may contain the secret. optional: the source works
    without this part, which the plan of an account may exclude. ahead: only announced values; a failure leaves no hole.
    """

    name: str
    url: str = field(repr=False)
    optional: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class WebValues:
    """Signals of one response. remark: what the response lacks, "" for nothing."""

    signals: Sequence[Signal]
    remark: str = ""


def consistent(values: WebValues) -> WebValues:
    """Return values with one signal for each start: the measured one; of two different ones of a tier, neither."""
    found: dict[tuple[int, bool], list[Signal]] = {}
    for signal in values.signals:
        found.setdefault((signal.valid_from, signal.tier == FORECAST), []).append(signal)
    kept, doubtful = [], 0
    for signals in found.values():
        best = [signal for signal in signals if signal.tier == min(each.tier for each in signals)]
        if all(signal.repeats(best[0]) for signal in best):
            kept.append(best[0])
        else:
            doubtful += 1
    text = f"{doubtful} times with two different values: neither is used" if doubtful else ""
    return WebValues(kept, "; ".join(filter(None, (values.remark, text))))


class WebService(Protocol):
    """The requests of one kind of web source, and the meaning of its responses."""

    @property
    def secret(self) -> str:
        """Token in a request, which no message may show; "" without one."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of each request; may contain the secret."""

    def requests(self, since: int, now: int) -> Sequence[WebRequest]:
        """Return the requests of a poll: the values from `since` to `now`, UTC ns, and what is announced after."""

    def values(self, body: bytes, request: WebRequest, arrived: int, before: Mapping[str, float]) -> WebValues:
        """Return the values of a response that arrived at a time, UTC ns; ValueError for an unexpected shape.

        FeedRefused for values that no retry makes usable.

        `before`: largest recent share of each fuel, which shows what a mix lacks.
        """


@dataclass(slots=True)
class _Poll:
    """What the requests of one poll gave. complete: no past value is left to ask for."""

    since: int
    answers: list[WebValues] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    complete: bool = True
    retry_after: float | None = None
    bug: Exception | None = None

    def signals(self) -> list[Signal]:
        """Return one signal for each start: of two, the measured one, else that of the later response."""
        found: dict[tuple[int, bool], Signal] = {}
        for answer in self.answers:
            for signal in answer.signals:
                key = signal.valid_from, signal.tier == FORECAST
                if key not in found or signal.tier <= found[key].tier:
                    found[key] = signal
        return list(found.values())

    def remark(self) -> str:
        """Return what is missing."""
        texts = [*self.failures, *self.refusals, *(answer.remark for answer in self.answers)]
        return "; ".join(dict.fromkeys(text for text in texts if text))


class WebSource:
    """Polls a web service every `interval` s, spread by chance, and less often while requests fail.

    Each poll asks for the values of the last day, so that a measured value replaces an estimate, and one poll a day for
    those of a week. After an outage a poll asks for the values since the last complete poll, at most for a week.
    """

    def __init__(
        self,
        feed: Feed,
        service: WebService,
        clock: Clock,
        chance: random.Random,
        interval: float,
        ca: Path | None = None,
        proxy: ProxyKeys | None = None,
    ) -> None:
        self.feed = feed
        self.pulse = Pulse(f"grid {feed.name}", vital=False)
        self._service = service
        self._clock = clock
        self._chance = chance
        self._interval = interval
        self._ca = ca
        self._proxy = proxy
        self._wait = WEB_FIRST_WAIT
        self._begun = False
        self._complete: int | None = None
        self._long_poll = 0.0
        self._refused: dict[str, tuple[float, str]] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            secret = self._service.secret
            pause = await self.poll()
            await self._rest(pause, secret)

    async def _rest(self, pause: float, secret: str) -> None:
        """Wait a number of s. After a refusal, a new secret ends the wait."""
        while self._refused and pause > SECRET_CHECK:
            await self.pulse.sleep(self._clock, SECRET_CHECK)
            pause -= SECRET_CHECK
            if self._service.secret != secret:
                self._refused.clear()
                return
        await self.pulse.sleep(self._clock, pause)

    async def poll(self) -> float:
        """Send the requests of one poll; return the wait in s until the next."""
        now = self._clock.time()
        spread = self._chance.uniform(0.75, 1.25)
        poll = await self._polled(now)
        self._put(poll, now)
        if poll.retry_after is not None:
            return max(WEB_FIRST_WAIT, poll.retry_after) * self._chance.uniform(1.0, 1.25)
        if not poll.answers and not poll.failures:
            return REFUSED_WAIT * spread
        usual = self._interval * self._chance.uniform(0.9, 1.1)
        if not poll.failures:
            self._wait = WEB_FIRST_WAIT
            return usual
        self._wait, pause = min(WEB_LONGEST_WAIT, 2.0 * self._wait), self._wait
        return min(pause * spread, usual) if poll.answers else pause * spread

    def _put(self, poll: _Poll, now: int) -> None:
        """Put the values of a poll into the feed, or note the failure."""
        signals = poll.signals()
        if not signals:
            if poll.answers:
                poll.failures.append("unusable answer: found no value")
            self.feed.failed(poll.remark(), poll.bug)
            return
        try:
            self.feed.put(self.feed.with_settled(signals, now - SETTLING), poll.remark())
        except ValueError as error:
            poll.failures.append(f"unusable answer: {error}")
            self.feed.failed(poll.remark())
            return
        if poll.complete:
            self._complete = max((signal.valid_from for signal in signals if signal.tier != FORECAST), default=now)
            if poll.since <= now - LONGEST_WINDOW:
                self._long_poll = self._clock.monotonic() + LONG_POLL

    async def _polled(self, now: int) -> _Poll:
        poll = _Poll(self._since(now))
        before = self.feed.largest_shares(now)
        for request in self._service.requests(poll.since, now):
            until, text = self._refused.get(request.name, (0.0, ""))
            if request.optional and self._clock.monotonic() < until:
                poll.refusals.append(text)
                continue
            self.pulse.within(2.0 * FETCH_TIMEOUT)
            try:
                body = await get(request.url, self._service.headers, now, self._ca, self._service.secret, self._proxy)
                # A day of XML takes longer than the shortest interval of a device.
                values = await asyncio.to_thread(self._service.values, body, request, now, before)
                poll.answers.append(consistent(values))
            except FeedRefused as error:
                poll.refusals.append(self._refusal(request, error))
                if not request.optional:
                    break
            except FeedError as error:
                poll.complete &= request.ahead
                poll.failures.append(str(error))
                poll.retry_after = error.retry_after
                if error.retry_after is not None or not request.optional:
                    break  # the service asks for a pause, or is unavailable
            except ValueError as error:
                poll.complete &= request.ahead
                poll.failures.append(f"unusable answer: {error}")
            except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever the service sent
                poll.complete &= request.ahead
                poll.failures.append(f"internal error, {type(error).__name__}")
                poll.bug = error
        return poll

    def _since(self, now: int) -> int:
        """Return the start of the past to ask for, UTC ns."""
        if not self._begun:
            self._begun, self._complete = True, self.feed.newest(now)  # of an earlier process
            self._long_poll = self._clock.monotonic() + LONG_POLL
        if self._clock.monotonic() >= self._long_poll:
            return now - LONGEST_WINDOW
        usual = now - USUAL_WINDOW
        return usual if self._complete is None else max(min(self._complete, usual), now - LONGEST_WINDOW)

    def _refusal(self, request: WebRequest, error: FeedRefused) -> str:
        end = f"; {request.name} is left out" if request.optional else "; it needs another configuration"
        text = f"{error}{end}"
        monotonic = self._clock.monotonic()
        self._refused = {name: part for name, part in self._refused.items() if part[0] > monotonic}
        self._refused[request.name] = monotonic + REFUSED_WAIT, text
        return text


def aligned(time: int, period: int) -> int:
    """Return the start of the period that contains a time; periods of `period` ns count from 1970 in UTC."""
    return time - time % period


def minute_text(time: int) -> str:
    """Return a UTC time in ns as `2026-06-01T08:30Z`, which the services over HTTP read."""
    return f"{datetime.fromtimestamp(time // NS, UTC):%Y-%m-%dT%H:%MZ}"
