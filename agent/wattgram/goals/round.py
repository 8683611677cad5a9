"""Hourly evaluation of the goals in the daemon; each changed goal becomes a `goal` record."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record, Series, Value, record
from wattgram.base.watchdog import Pulse
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config

from .crossed_lines import CrossedLines

log = logging.getLogger(__name__)

ROUND_PERIOD = 3600.0
"""Time between two rounds, s of the site's clock."""

SECOND_ROUND_AFTER = 900.0
"""Time between the first two rounds, s of the site's clock: a new store has its first windows then."""

SHORTEST_PERIOD = 30.0
"""Shortest time between two rounds, real s: a simulated clock can run fast."""

FIRST_ROUND_AFTER = 30.0
"""Time until the first round, real s: a start, or a demonstration of a few seconds, needs the processor."""

ROUND_TIMEOUT = 600.0
"""Longest duration of a round, real s."""

FIELDS, TEXTS = ("value", "target", "coverage"), ("state",)


class Round:
    """Periodic evaluation of the goals in a worker process.

    publish: receives a record. has_time: whether the clock is reliable. crossed: reports crossings of
    entry lines; None for no report. latest: result of the last round, in the format
    of `wattgram goals --format json`.
    """

    def __init__(
        self,
        config: Config,
        publish: Callable[[Record], None],
        has_time: Callable[[], bool],
        clock: Clock,
        crossed: CrossedLines | None = None,
    ) -> None:
        self.pulse = Pulse("goals", vital=False)
        self.latest: list[dict[str, Any]] = []
        # Secrets are removed; the worker does not need them.
        self._config = replace(config, mqtt=None, sinks={}, http=HttpConfig())
        self._publish = publish
        self._has_time = has_time
        self._clock = clock
        self._published: dict[str, tuple[int, Mapping[str, Value]]] = {}
        self._last_error = ""
        self._crossed = crossed

    async def run(self) -> None:
        """Run one round after another, until cancelled."""
        later = (
            max(SHORTEST_PERIOD, period / self._clock.speed)
            for period in chain((SECOND_ROUND_AFTER,), repeat(ROUND_PERIOD))
        )
        for wait in chain((FIRST_ROUND_AFTER,), later):
            self.pulse.within(wait + ROUND_TIMEOUT)
            await asyncio.sleep(wait)
            if self._has_time():
                await self.evaluate(self._clock.time())

    async def evaluate(self, now: int) -> None:
        """Run one round as of an instant, UTC ns. A failure is logged, and the cards of the last round remain."""
        try:
            found = json.loads(await self._run_worker(pickle.dumps((self._config, now))))
        except (OSError, ValueError) as error:
            if str(error) != self._last_error:
                log.error("goals: not evaluated: %s", error)
            self._last_error = str(error)
            return
        self._last_error = ""
        self.latest = found["goals"]
        for card in self.latest:
            self._publish_if_changed(card, int(found["time"]))
        if self._crossed is not None:
            await self._crossed.report(found["lines"])

    async def _run_worker(self, request: bytes) -> bytes:
        """Return the response of the worker. ValueError, with the last line of stderr, if the worker fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wattgram.goals.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ROUND_TIMEOUT):
                answer, errors = await process.communicate(request)
        except TimeoutError as error:
            raise ValueError(f"no answer within {ROUND_TIMEOUT:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise ValueError(
                errors.decode(errors="replace").strip().rpartition("\n")[2] or f"exit {process.returncode}"
            )
        return answer

    def _publish_if_changed(self, card: Mapping[str, Any], time: int) -> None:
        """Publish a card if it has changed, and once a day. Coverage counts as changed from 0.01 on."""
        fields = {name: card[name] for name in (*FIELDS, *TEXTS) if card[name] is not None}
        now = time // (86_400 * NS), fields | {"coverage": round(card["coverage"] or 0.0, 2)}
        if self._published.get(card["goal"]) == now:
            return
        self._published[card["goal"]] = now
        tags = (("site", self._config.site.name), ("goal", str(card["goal"])))
        self._publish(record(Series("goal", tags, FIELDS, (), TEXTS), time, fields))
