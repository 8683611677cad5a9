"""docs/architecture names every module, and every module, function and link on its pages exists."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import broken_links, failed_examples
from tests.support.servers import ROOT

FOLDER = ROOT / "docs/architecture"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
AGENT = ROOT / "agent/wattgram"
ROOMS = {
    "drivers": ROOT / "drivers/wattgram_drivers",
    "ext": ROOT / "ext/wattgram_ext",
    **{path.parent.name: path.parent for path in sorted(AGENT.glob("*/__init__.py"))},
}
"""Room → folder. A room has the page of its name."""

DEFINITION = re.compile(
    r"^[ \t]*(?:cdef|cpdef|def|ctypedef|class|@property)\b[^\n(=]*?(\w+)[ \t]*(?:\(|:[ \t]*(?:#.*)?$)", re.MULTILINE
)
"""The name that a line of Cython defines."""


def found_modules() -> dict[str, dict[str, Path]]:
    """Room → its modules by their path in the room, without suffix. The commands' page names `__main__`, too."""
    rooms: dict[str, dict[str, Path]] = {
        room: {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for suffix in ("py", "pyx", "pxd")
            for path in sorted(folder.rglob(f"*.{suffix}"))
            if path.stem != "__init__"
        }
        for room, folder in ROOMS.items()
    }
    rooms["commands"] |= {path.stem: path for path in AGENT.glob("*.py") if path.stem != "__init__"}
    return rooms


MODULES = found_modules()


def tables(page: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Head and rows of each table of a page, every cell without its backticks."""
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        rows = [
            [cell.strip().strip("`") for cell in line.strip().strip("|").split(" | ")] for line in block.split("\n")
        ]
        yield rows[0], rows[2:-1]


def named_modules(page: str) -> list[str]:
    """The first cell of each row in the tables of modules."""
    return [row[0] for head, rows in tables(page) if head[0] == "module" for row in rows]


def named_objects(page: str) -> Iterator[tuple[str, str]]:
    """Module and object of each row in a table with these two columns."""
    for head, rows in tables(page):
        if "module" in head and "object" in head:
            for row in rows:
                yield row[head.index("module")], row[head.index("object")]


def defined(path: Path) -> set[str]:
    """The names that a module defines: `name` at its top, `Class.name` in a class."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(DEFINITION.findall(text))
    names = set()
    for node in ast.parse(text).body:
        names |= set(targets(node))
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{member}" for each in node.body for member in targets(each)}
    return names


def targets(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def test_every_room_has_a_page_and_the_overview_links_every_page() -> None:
    assert ROOMS.keys() <= PAGES.keys()
    assert PAGES.keys() - {"README", "behaviours"} == ROOMS.keys()
    assert {name for name in PAGES if name != "README"} <= set(re.findall(r"\]\((\w+)\.md", PAGES["README"]))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_s_page_names_its_modules_and_no_others(room: str) -> None:
    named = named_modules(PAGES[room])
    missing, unknown = MODULES[room].keys() - set(named), set(named) - MODULES[room].keys()
    assert {"missing": missing, "unknown": unknown} == {"missing": set(), "unknown": set()}
    assert len(named) == len(set(named))


@pytest.mark.parametrize("name", PAGES)
def test_a_module_in_the_text_exists(name: str) -> None:
    """In the text a module is written with its room: `accounts/books`. A folder of modules counts as a module."""
    written = re.findall(rf"`((?:{'|'.join(ROOMS)})/[a-z_/]+)`", PAGES[name])
    known = {f"{room}/{module}" for room, modules in MODULES.items() for module in modules}
    folders = {f"{room}/{path.parent}" for room, modules in MODULES.items() for path in map(Path, modules)}
    assert [place for place in written if place.rstrip("/") not in known | folders] == []


@pytest.mark.parametrize("name", PAGES)
def test_an_object_in_a_table_exists_in_the_module_beside_it(name: str) -> None:
    missing = []
    for module, thing in named_objects(PAGES[name]):
        room, _, inside = module.partition("/") if name not in ROOMS else (name, "", module)
        path = MODULES.get(room, {}).get(inside)
        names = defined(path) if path else set()
        if not ({thing} if path and path.suffix == ".py" else set(thing.split("."))) <= names:
            missing.append(f"{module}: {thing}")
    assert missing == []


def test_a_room_s_page_names_the_floor_below() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers" and each.get("exhaustive"))
    floors = [{word.strip() for word in layer.split("|")} for layer in layers]
    below = {room: lower for floor, lower in zip(floors, [*floors[1:], set()], strict=True) for room in floor}
    stated = {
        room: set(re.findall(r"`(\w+)`", line))
        for room in below
        if room in PAGES and (line := "".join(re.findall(r"^May import: ([^.]*)\.", PAGES[room], re.MULTILINE)))
    }
    assert stated == {room: lower for room, lower in below.items() if room in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_a_file_and_a_heading(name: str) -> None:
    assert broken_links(FOLDER / f"{name}.md") == []


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if ">>> " in page])
def test_an_example_in_python_prints_what_the_page_shows(name: str) -> None:
    assert failed_examples(FOLDER / f"{name}.md") == 0


def test_the_behaviours_are_as_many_as_the_page_says() -> None:
    assert len(re.findall(r"^## ", PAGES["behaviours"], re.MULTILINE)) == 12
