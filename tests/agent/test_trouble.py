"""The page for operators names every event that there is, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import wattgram
from wattgram import balance, clock_watch, counter, frozen, order, outage, site, watchdog

ROOT = Path(__file__).resolve().parents[2]


def told() -> set[str]:
    """What is told by name in the sources, and what the watching modules tell."""
    found = {
        *counter.EVENTS.values(),
        *(frozen.EVENT, frozen.BACK),
        *(balance.FAULT, balance.RESTORED, balance.WITHHELD, balance.EXCEEDED, balance.FIT),
        *site.ANEW.values(),
        *(clock_watch.UNSET, clock_watch.SET, clock_watch.UNCONFIRMED, clock_watch.STEPPED),
        *(order.WAIT, order.GO_ON),
        *(outage.REFUSED, outage.AWAY, outage.BACK),
        *(watchdog.STUCK, watchdog.ON),
    }
    for path in Path(wattgram.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "event":
                names = ast.walk(node.args[1])
                found |= {one.value for one in names if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def test_the_page_of_troubles_explains_each_event() -> None:
    page = (ROOT / "docs" / "trouble.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)) == sorted(told())
