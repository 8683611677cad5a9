"""The daemon's round through the goals: each hour they are evaluated, and what changed is a `goal` record."""

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
from wattgram.config.load import Config, HttpConfig

log = logging.getLogger(__name__)

ROUND_PERIOD = 3600.0
"""Seconds of the site's clock between two rounds."""

QUARTER = 900.0
"""The same between the first two: a new store has its first windows then."""

SOONEST = 30.0
"""Real seconds between two rounds: a simulated clock may run fast."""

FIRST = 30.0
"""Real seconds until the first round: a start, and a demonstration of a few seconds, need the processor themselves."""

ROUND_SECONDS = 600.0
"""Real seconds that a round may take."""

FIELDS, TEXTS = ("value", "target", "coverage"), ("state",)


class Round:
    """Asks a process of its own for the goals. tell: takes a record; dates: whether the clock is believed.

    latest: what the last round said, in the shape of `wattgram goals --format json`.
    """

    def __init__(self, config: Config, tell: Callable[[Record], None], dates: Callable[[], bool], clock: Clock) -> None:
        self.pulse = Pulse("goals", vital=False)
        self.latest: list[dict[str, Any]] = []
        # What the worker needs of it has no secret.
        self._config = replace(config, mqtt=None, influxdb=None, http=HttpConfig())
        self._tell = tell
        self._dates = dates
        self._clock = clock
        self._told: dict[str, tuple[int, Mapping[str, Value]]] = {}
        self._failed = ""

    async def run(self) -> None:
        """Round after round, until cancelled."""
        later = (max(SOONEST, period / self._clock.speed) for period in chain((QUARTER,), repeat(ROUND_PERIOD)))
        for wait in chain((FIRST,), later):
            self.pulse.within(wait + ROUND_SECONDS)
            await asyncio.sleep(wait)
            if self._dates():
                await self.evaluate(self._clock.time())

    async def evaluate(self, now: int) -> None:
        """One round, as of an instant, UTC ns; what cannot be evaluated is logged, and the last round's cards stay."""
        try:
            found = json.loads(await self._asked(pickle.dumps((self._config, now))))
        except (OSError, ValueError) as error:
            if str(error) != self._failed:
                log.error("goals: not evaluated: %s", error)
            self._failed = str(error)
            return
        self._failed = ""
        self.latest = found["goals"]
        for card in self.latest:
            self._tell_of(card, int(found["time"]))

    async def _asked(self, question: bytes) -> bytes:
        """The answer of the worker; ValueError with its last words when it has none."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wattgram.goals.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                answer, errors = await process.communicate(question)
        except TimeoutError as error:
            raise ValueError(f"no answer within {ROUND_SECONDS:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise ValueError(
                errors.decode(errors="replace").strip().rpartition("\n")[2] or f"exit {process.returncode}"
            )
        return answer

    def _tell_of(self, card: Mapping[str, Any], time: int) -> None:
        """Tell a card that is another than before, or once a day; of coverage one hundredth is a change."""
        fields = {name: card[name] for name in (*FIELDS, *TEXTS) if card[name] is not None}
        now = time // (86_400 * NS), fields | {"coverage": round(card["coverage"] or 0.0, 2)}
        if self._told.get(card["goal"]) == now:
            return
        self._told[card["goal"]] = now
        tags = (("site", self._config.site.name), ("goal", str(card["goal"])))
        self._tell(record(Series("goal", tags, FIELDS, (), TEXTS), time, fields))
