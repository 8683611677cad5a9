"""The structure: layers, circles, length of files, names, and plain words of the documentation. Prints the figures."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.prose import MOST_PERSONAL, MOST_RELATIVE, measured
from tests.support.servers import ROOT

ROOTS = {"wattgram": ROOT / "agent", "wattgram_drivers": ROOT / "drivers", "wattgram_ext": ROOT / "ext"}
MOST_LINES = 450
MOST_TEST_LINES = 500
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "drivers/*.md", "ext/*.md") for path in ROOT.glob(pattern))


def modules() -> dict[str, Path]:
    """Every module of the three source roots by its dotted name; a package stands for its `__init__`."""
    found = {}
    for package, folder in ROOTS.items():
        for path in sorted((folder / package).rglob("*.py*")):
            if path.suffix in (".py", ".pyx"):
                parts = path.relative_to(folder).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the three roots that a module imports, at its top or in a function."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            for alias in node.names:
                target = f"{base}.{alias.name}"
                if target in known or base in known:
                    yield target if target in known else base


@cache
def arrows() -> dict[str, set[str]]:
    """Module → the modules that it imports."""
    known = modules()
    return {
        name: set(imports(name, path, known)) - {name} if path.suffix == ".py" else set()
        for name, path in known.items()
    }


def room(name: str) -> str:
    """The first folder below the root package, or the module that lies beside the rooms."""
    return ".".join(name.split(".")[:2])


def rings(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, by depth-first search (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group: list[str] = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def rooms() -> dict[str, set[str]]:
    """Room → the rooms whose modules it imports."""
    graph: dict[str, set[str]] = defaultdict(set)
    for name, targets in arrows().items():
        graph[room(name)] |= {room(target) for target in targets} - {room(name)}
    return dict(graph)


def classes() -> Iterator[tuple[str, str, bool]]:
    """Name, module and whether it is a Protocol, of every class of the three roots."""
    for module, path in modules().items():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    yield node.name, module, any("Protocol" in ast.unparse(base) for base in node.bases)


def constants() -> Iterator[tuple[str, str, str]]:
    """Name, module and value of every constant at the top of a module."""
    for module, path in modules().items():
        if path.suffix == ".py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        if isinstance(target, ast.Name) and target.id.isupper():
                            yield target.id, module, ast.unparse(node.value)


def test_the_layers_of_the_agent_are_those_of_the_contract_without_a_circle() -> None:
    graph = rooms()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(
        contract["layers"] for contract in contracts if contract["type"] == "layers" and contract.get("exhaustive")
    )
    height: dict[str, int] = {}

    def floor(node: str) -> int:
        if node not in height:
            below = [floor(target) for target in graph.get(node, ()) if target.startswith("wattgram.")]
            height[node] = 1 + max(below, default=-1)
        return height[node]

    circles = rings(graph)
    assert circles == []
    floors = 1 + max(floor(name) for name in graph if name.startswith("wattgram."))
    inside = sum(len(targets) for name, targets in graph.items() if name.startswith("wattgram"))
    print(f"\nrooms {len(graph)}, floors in use {floors} of {len(layers)}, arrows between rooms {inside}, circles 0")
    named = {word.strip() for layer in layers for word in layer.split("|")}
    assert {name.removeprefix("wattgram.") for name in graph if name.startswith("wattgram.")} <= named


def test_a_circle_is_found() -> None:
    assert rings({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    assert rings(arrows()) == []


def test_no_file_is_too_long_to_read() -> None:
    rules = {path.name: path for path in ROOTS["wattgram_ext"].rglob("*.pxd")}
    lengths = Counter(
        {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in {**modules(), **rules}.items()}
    )
    longest, lines = lengths.most_common(1)[0]
    print(f"\nfiles {len(lengths)}, lines {sum(lengths.values())}, longest {longest} with {lines}")
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def test_no_file_of_the_tests_is_too_long_to_read() -> None:
    lengths = Counter(
        {
            str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
            for path in (ROOT / "tests").rglob("*.py")
        }
    )
    longest, lines = lengths.most_common(1)[0]
    print(f"\ntest files {len(lengths)}, lines {sum(lengths.values())}, longest {longest} with {lines}")
    assert {name: count for name, count in lengths.items() if count > MOST_TEST_LINES} == {}


def test_a_class_has_a_name_of_its_own_unless_it_implements_a_protocol() -> None:
    places: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for name, module, protocol in classes():
        places[name].append((module, protocol))
    twice = {
        name: found for name, found in places.items() if len([module for module, protocol in found if not protocol]) > 1
    }
    print(f"\nclasses {sum(map(len, places.values()))}, names that two classes share {len(twice)}")
    assert twice == {}


def test_a_module_has_a_name_of_its_own() -> None:
    """A package may hold a module of its name (site.site), and a command is called as its users call it."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in modules().items():
        name = module.rpartition(".")[2]
        if name == "__main__":
            continue
        places[f"{name}/" if path.stem == "__init__" else name].append(module)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    print(f"\nmodule names that two modules share {len(twice)}")
    assert twice == {}


TABLES = {"INDICATORS", "SUMMARY", "EXAMPLE"}
"""Each module of a room has its own table, which the room's table collects."""


def test_constants_of_one_name_have_one_value() -> None:
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for name, module, value in constants():
        if name not in TABLES:
            values[name][module] = value
    differing = {name: found for name, found in values.items() if len(set(found.values())) > 1}
    print(f"\nconstants {len(values)}, names with more than one value {len(differing)}")
    assert differing == {}


def test_no_variable_is_named_one() -> None:
    found = Counter(
        module
        for module, path in modules().items()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "one")
        or (isinstance(node, ast.arg) and node.arg == "one")
    )
    assert found == Counter()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_its_subjects_and_has_an_example(path: Path) -> None:
    page = measured(path.read_text(encoding="utf-8"))
    print(f"\n{page.words} words, what/who {page.relative:.1f}, it/that/one {page.personal:.1f} per 1,000")
    assert page.relative < MOST_RELATIVE
    assert page.personal < MOST_PERSONAL
    assert page.example
