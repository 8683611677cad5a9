"""docs/method.md and its pages: every cited section has a heading, and the worked examples run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from wattgram.accounts.figures import FIGURES, METHOD_PAGE

from tests.support.pages import anchors, broken_links, failed_examples
from tests.support.servers import ROOT

INDEX = ROOT / "docs/method.md"
PAGES = sorted((ROOT / "docs/method").glob("*.md"))
FOLDERS = ("agent", "deploy", "docs", "drivers", "ext", "scripts", "tests")
SUFFIXES = (".json", ".md", ".py", ".pyi", ".pyx", ".pxd", ".toml")
EXAMPLES = [
    *("METHOD 1.1", "METHOD 1.2", "METHOD 1.4", "METHOD 2.2", "METHOD 2.4", "METHOD 4.7", "METHOD 4.11", "METHOD 5"),
    *("METHOD 6.1", "METHOD-SITE 8.2", "METHOD-SITE 8.3", "METHOD-SITE 8.4", "METHOD-SITE 9.3", "METHOD-SITE 9.5"),
    *("METHOD-SITE 9.6", "METHOD-SITE 9.7", "METHOD-SITE 10", "METHOD-SITE 11", "METHOD-SITE 12"),
]
"""Sections whose worked examples are computed on the page."""

NUMBER = r"\d{1,2}(?:\.\d{1,2})?(?![\d.]*\d)"
CITATION = re.compile(rf"\b(METHOD(?:-SITE)?)(?: sections?)? ({NUMBER}(?:(?:,? (?:and|to|or) |, ){NUMBER})*)")
IN_BRACKETS = re.compile(r"\((\d\.\d{1,2}(?:(?: to |, )\d\.\d{1,2})*)\)")
"""A section number in the loop's files, such as (4.8 to 4.10): of METHOD."""


def cited(text: str) -> set[str]:
    """Return the sections that a text cites, such as "METHOD 4.5"; a line may end within a citation."""
    line = re.sub(r"\s*\n\s*(?:# ?)?", " ", text)
    return {f"{part} {number}" for part, numbers in CITATION.findall(line) for number in re.findall(NUMBER, numbers)}


def sources() -> Iterator[Path]:
    """Yield every text of the project that can cite the method."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and "node_modules" not in path.parts:
                yield path
    yield from ROOT.glob("*.md")


def headings() -> list[tuple[str, Path, str]]:
    """Return each section of the pages: its label, its page, its heading."""
    return [
        (heading.partition(":")[0], page, heading)
        for page in PAGES
        for heading in re.findall(r"^##+ (METHOD.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def rows() -> dict[str, tuple[str, list[str]]]:
    """Return the rows of the index: label → the link's target, and the modules."""
    table = re.findall(r"^\| (METHOD\S* [\d.]+) \| \[[^]]+\]\((\S+)\) \| (.*) ?\|$", INDEX.read_text(), re.MULTILINE)
    return {label: (link, re.findall(r"`([^`]+)`", modules)) for label, link, modules in table}


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("METHOD-SITE 8.2 to 8.4, and 9.2", {"METHOD-SITE 8.2", "METHOD-SITE 8.4", "METHOD-SITE 9.2"}),
        ("(METHOD\n    4.7). METHOD 5, 6.2 and 6.3 B02", {"METHOD 4.7", "METHOD 5", "METHOD 6.2", "METHOD 6.3"}),
        ("METHOD sections 4 and 5, METHOD-SITE 9.1", {"METHOD 4", "METHOD 5", "METHOD-SITE 9.1"}),
        ("METHOD 2.2, 2023; METHOD 1.2: 389.31 GJ", {"METHOD 2.2", "METHOD 1.2"}),
        ("HTTPStatus.METHOD_NOT_ALLOWED, METHOD's rules", set()),
    ],
)
def test_a_citation_is_found(text: str, sections: set[str]) -> None:
    assert cited(text) == sections


def test_every_cited_section_has_a_heading() -> None:
    known = {label for label, _, _ in headings()}
    missing = {}
    count = 0
    for path in sources():
        text = path.read_text(encoding="utf-8")
        found = cited(text)
        if path.is_relative_to(ROOT / "ext"):
            found |= {
                f"METHOD {number}" for part in IN_BRACKETS.findall(text) for number in re.findall(r"\d\.\d+", part)
            }
        count += len(found)
        if found - known:
            missing[str(path.relative_to(ROOT))] = sorted(found - known)
    print(f"\nsections {len(known)}, files x cited sections {count}")
    assert missing == {}


def test_the_sources_of_a_report_can_be_looked_up() -> None:
    """A report names a standard, a section of the page that the report mentions, or a part of the report."""
    assert ROOT / METHOD_PAGE == INDEX
    unknown = [figure.key for figure in FIGURES if not re.search(r"METHOD(-SITE)? \d|named above", figure.source)]
    assert unknown == []


def test_a_section_has_one_heading_and_a_row_of_the_index() -> None:
    labels = Counter(label for label, _, _ in headings())
    assert [label for label, count in labels.items() if count > 1] == []
    assert list(rows()) == [
        label for page in ("factors", "accounts", "goals", "site", "record") for label in labels_of(page)
    ]


def labels_of(page: str) -> list[str]:
    """Return the sections of a page in their order."""
    return [label for label, path, _ in headings() if path.stem == page]


def test_a_row_of_the_index_leads_to_the_heading_of_its_section() -> None:
    for label, page, heading in headings():
        (anchor,) = anchors(f"# {heading}")
        assert rows()[label][0] == f"method/{page.name}#{anchor}"


def test_the_modules_of_the_index_exist() -> None:
    missing = []
    for _, modules in rows().values():
        for module in modules:
            room, _, name = module.partition("/")
            folder = ROOT / "ext/wattgram_ext" if room == "ext" else ROOT / "agent/wattgram" / room
            if not any((folder / f"{name}{suffix}").exists() for suffix in (".py", ".pyx", ".pxd")):
                missing.append(module)
    assert missing == []


@pytest.mark.parametrize("path", [INDEX, *PAGES], ids=lambda path: path.stem)
def test_the_links_of_the_method_lead_to_a_file_and_a_heading(path: Path) -> None:
    assert broken_links(path) == []


@pytest.mark.parametrize("path", [INDEX, *PAGES], ids=lambda path: path.stem)
def test_the_examples_of_the_method_print_what_the_page_shows(path: Path) -> None:
    assert failed_examples(path) == 0


@pytest.mark.parametrize("label", EXAMPLES)
def test_a_section_with_worked_examples_computes_them(label: str) -> None:
    (page,) = (page for found, page, _ in headings() if found == label)
    text = page.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^##+ {re.escape(label)}: .*?(?=^## |^### |\Z)", text, re.MULTILINE | re.DOTALL)
    assert ">>> " in section
