"""The forms of the issue tracker and the hooks of a checkout: well formed, and their commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
FIELDS = {"input", "textarea", "dropdown"}


def form(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def commands(text: str) -> list[list[str]]:
    """The wattgram commands in a text, without the program's name."""
    return [shlex.split(command)[1:] for command in re.findall(r"`(wattgram [^`]+)`", text)]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_has_the_keys_that_github_requires(path: Path) -> None:
    found = form(path)
    assert found["name"]
    assert found["description"]
    fields = [field for field in found["body"] if field["type"] in FIELDS]
    assert {field["type"] for field in found["body"]} <= FIELDS | {"markdown"}
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_forms_ask_for_what_a_report_needs() -> None:
    texts = {path.stem: path.read_text() for path in FORMS}
    assert sorted(texts) == ["bug", "device", "feature"]
    assert ["check", "-c", "FILE", "--live"] in commands(texts["bug"])
    assert ["read", "URL", "--driver", "NAME", "--unit", "N", "--raw"] in commands(texts["device"])
    assert all(["--version"] in commands(texts[name]) for name in ("bug", "device"))


def test_the_commands_of_the_forms_exist() -> None:
    texts = [path.read_text() for path in (*FORMS, ROOT / ".github/pull_request_template.md")]
    used = {tuple(command) for text in texts for command in commands(text)}
    for name in sorted({command[0] for command in used} - {"--version"}):
        output = subprocess.run(
            [sys.executable, "-m", "wattgram", name, "--help"], capture_output=True, text=True, check=True
        ).stdout
        options = {word for command in used if command[0] == name for word in command if word.startswith("--")}
        assert [word for word in sorted(options) if word not in output] == [], name


def test_every_hook_is_a_program_of_the_checkout() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"].split()[0] for hook in hooks] == [
        ".venv/bin/ruff",
        ".venv/bin/ruff",
        ".venv/bin/mypy",
        ".venv/bin/lint-imports",
    ]
