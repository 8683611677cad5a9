"""The oracle stands alone: nothing of the product decides what the product is compared with."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOR_TESTS = {"pytest", "hypothesis"}


def imported(path: Path) -> set[str]:
    """Return the first name of each absolute import, and the dots of each relative import beyond the package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                names = [node.module or ""]
                own = (node.module or "") == "tests.oracle" or (node.module or "").startswith("tests.oracle.")
                found |= {"." if own else name.split(".")[0] for name in names}
            else:
                found.add("." * node.level)
        elif isinstance(node, ast.Name) and node.id in ("__import__", "eval", "exec"):
            found.add(node.id)
    return found


def test_the_oracle_imports_the_standard_library_alone() -> None:
    paths = sorted(HERE.glob("*.py"))
    assert len(paths) > 15
    allowed = set(sys.stdlib_module_names) - {"importlib", "runpy"} | {"."}
    strangers = {
        path.name: imported(path) - allowed - (FOR_TESTS if path.name.startswith("test_") else set()) for path in paths
    }
    assert {name: found for name, found in strangers.items() if found} == {}


def test_an_import_of_the_product_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("def work():\n    from wattgram.accounts import totals\n    from ..support import oracle\n")
    assert imported(path) == {"wattgram", ".."}
