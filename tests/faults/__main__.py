"""scripts/faults: breaks a running site in every way and compares what was served with what is held.

    scripts/faults                        # everything, about an hour
    scripts/faults --short                # every kind with fewer rounds, as CI runs it: four minutes
    scripts/faults --seed 7 kill power    # these kinds alone

Prints a line a kind and the total, `lost 0  duplicated 0  misdated 0`. docs/faults.md tells what each kind does and how
it is judged. Exit codes: 0 all three are 0, 1 they are not, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.clock import steps
from tests.faults.damage import damages
from tests.faults.full import fills
from tests.faults.kill import kills, kills_with_victoria
from tests.faults.network import losses
from tests.faults.outage import outages
from tests.faults.power import cuts
from tests.faults.stage import Kind, NotHere, Stage
from tests.faults.truth import Finding, Verdict

KINDS = (
    Kind("kill", "kill -9 of the daemon at random moments", kills, 12, 200),
    Kind("power", "power cuts while the daemon writes its spool", cuts, 6, 40),
    Kind("victoria", "kill -9 with VictoriaMetrics in InfluxDB's place", kills_with_victoria, 5, 40),
    Kind("outage", "broker and database stop, die and come back", outages, 7, 28),
    Kind("damage", "damaged files in the spool's directory between two runs", damages, 4, 60),
    Kind("full", "a disk that is full, and freed again", fills, 2, 20),
    Kind("clock", "a wall clock that is set, and one that begins in 1970", steps, 5, 70),
    Kind("network", "a network that loses, delays and is cut", losses, 3, 30),
)

MEMORY = Path("/dev/shm")
"""Where everything lies: a kill leaves what was written there as on any disk, and no other program's disk makes the
daemon late. Power cuts have a disk of their own."""

PRIORITY = -10

SHOWN = 20
"""Maximum number of findings shown for a kind."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a kind. `skipped`: why it was not run; `broken`: the error that ended it; `done`: its faults."""

    kind: Kind
    rounds: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    skipped: str = ""
    broken: str = ""
    done: str = ""

    @property
    def well(self) -> bool:
        """Whether there are no findings, and at least one record was compared."""
        wrong = self.broken or self.verdict.findings or not self.verdict.records
        return bool(self.skipped) or not wrong

    def __str__(self) -> str:
        if self.skipped:
            return f"{self.kind.name:9} skipped: {self.skipped}"
        text = f"{self.kind.name:9} rounds {self.rounds:4}  records {self.verdict.records:6}  {_counts(self.verdict)}"
        text += f"  ended: {self.broken.splitlines()[0]}" if self.broken else ""
        return text + (f"  ({self.done})" if self.done else "")


def _counts(verdict: Verdict) -> str:
    return f"lost {len(verdict.lost)}  duplicated {len(verdict.duplicated)}  misdated {len(verdict.misdated)}"


def _say(text: str) -> None:
    print(f"faults: {text}", file=sys.stderr, flush=True)


def played(kind: Kind, stage: Stage) -> Outcome:
    """Run a kind; print progress and findings to stderr."""
    begun, rounds, verdict, printed = time.monotonic(), 0, Verdict(), set[Finding]()
    _say(f"{kind.name}: {kind.about}, {stage.rounds} rounds")
    try:
        with contextlib.closing(kind.play(stage)) as course:
            for verdict in course:
                rounds += 1
                for finding in verdict.findings:
                    if finding not in printed and len(printed) < SHOWN:
                        _say(f"{kind.name} {rounds}: {finding}")
                    printed.add(finding)
                if rounds % 10 == 0:
                    _say(f"{kind.name} {rounds} of {stage.rounds}: {verdict.records} records, {_counts(verdict)}")
    except NotHere as reason:
        return Outcome(kind, skipped=str(reason))
    except (AssertionError, OSError) as error:
        _say(f"{kind.name} {rounds + 1}: {error}")
        return Outcome(kind, rounds, verdict, broken=str(error))
    _say(f"{kind.name}: {time.monotonic() - begun:.0f} s")
    done = ", ".join(f"{what} {number}" for what, number in stage.counted.items())
    return Outcome(kind, rounds, verdict, done=done)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "scripts/faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    listed = "; ".join(f"{kind.name}: {kind.about}" for kind in KINDS)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"all when none is named. {listed}")
    parser.add_argument("--short", action="store_true", help="every kind with fewer rounds, as CI runs it")
    parser.add_argument("--seed", type=int, default=1, help="of every random choice; default 1")
    parser.add_argument("--rounds", type=int, help="so many of each kind")
    parser.add_argument("--keep", action="store_true", help="leave the folders with logs and spools")
    found = parser.parse_args(argv)
    names = [kind.name for kind in KINDS]
    for name in found.kinds:
        if name not in names:
            parser.error(f"KIND: found {name!r}; allowed: {', '.join(names)}")
    return found


def _go_first() -> None:
    """Raise the priority where that is allowed, so that other work of the machine does not look like a late daemon."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the selected kinds; return the exit code."""
    options = _arguments(argv)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    _go_first()
    folder = Path(tempfile.mkdtemp(prefix="wattgram-faults-", dir=MEMORY if MEMORY.is_dir() else None))
    _say(f"seed {options.seed}, in {folder}")
    outcomes = []
    try:
        for kind in KINDS:
            if options.kinds and kind.name not in options.kinds:
                continue
            rounds = options.rounds or (kind.short if options.short else kind.full)
            chance = random.Random(f"{options.seed} {kind.name}")
            outcome = played(kind, Stage(folder / kind.name, chance, rounds, 4.0 if options.short else 120.0))
            print(outcome, flush=True)
            outcomes.append(outcome)
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(_counts(sum((outcome.verdict for outcome in outcomes), Verdict())), flush=True)
    return 0 if all(outcome.well for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
