"""A page of the documentation: its headings as links reach them, its links, and its examples in Python."""

from __future__ import annotations

import doctest
import re
from pathlib import Path


def anchors(page: str) -> set[str]:
    """Return the fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """Return the links of a page without their file or heading; addresses of other hosts are not followed."""
    found = []
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        place, _, at = link.partition("#")
        target = path.parent / place if place else path
        if "://" in link:
            continue
        if not target.exists() or (at and at not in anchors(target.read_text(encoding="utf-8"))):
            found.append(link)
    return found


def failed_examples(path: Path) -> int:
    """Run the examples of a page in their order; return how many print something else, and print these."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, path.stem, path.name, 0)
    return doctest.DocTestRunner().run(test).failed
