"""scripts/release in a repository of the test's own: a release, a dry run, and each refusal.

The copy is this project without its compiled extension, so that a build takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow(1)

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("agent", "drivers", "ext", "scripts", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", ".gitignore")
LEFT_OUT = shutil.ignore_patterns("*.so", "*.c", "*.cpp", "*.pyx", "__pycache__", "*.egg-info")
IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Test"), ("EMAIL", "test@example.com"))
}
ENVIRONMENT = dict(os.environ) | IDENTITY | {"PYTHON": sys.executable, "GIT_CONFIG_GLOBAL": "/dev/null"}

CHANGELOG = """\
# Changelog

```sh
wattgram --version    # wattgram 0.1.0
```

## [Unreleased]

### Fixed

- A later fix.

## [0.1.0] - unreleased

### Added

- The first function.

### Fixed

- An early fix.

[Unreleased]: https://github.com/wattgram/wattgram/commits/main
[0.1.0]: https://github.com/wattgram/wattgram/commits/main
"""


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True
    ).stdout


def release(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "scripts/release", *arguments],
        cwd=folder.parent,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def replaced(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def committed(folder: Path) -> None:
    git(folder, "commit", "-q", "-a", "-m", "Change")


def state(folder: Path) -> tuple[str, str, list[str]]:
    """Commits, tags, and every file outside .git."""
    files = sorted(f"{path}" for path in folder.rglob("*") if ".git" not in path.relative_to(folder).parts)
    return git(folder, "log", "--format=%H"), git(folder, "tag"), files


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "project"
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, folder / name)
    project = (ROOT / "pyproject.toml").read_text()
    project = re.sub(r'^version = ".*"$', 'version = "0.1.0"', project, count=1, flags=re.MULTILINE)
    extensions = r"^\[\[tool\.setuptools\.ext-modules\]\]\n(?:[a-z-]+ = .*\n)+"
    (folder / "pyproject.toml").write_text(re.sub(extensions, "", project, flags=re.MULTILINE))
    (folder / "agent/wattgram/__init__.py").write_text('"""wattgram."""\n\n__version__ = "0.1.0"\n')
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "First")
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "project"))


@pytest.fixture(scope="module")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, set[str]]:
    """A repository after the release of 0.1.0, the output of the script, and the days of the release."""
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("released") / "project"))
    begun = datetime.now(UTC).date()
    ended = release(folder, "0.1.0")
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout + ended.stderr, {f"{begun}", f"{datetime.now(UTC).date()}"}


def test_the_help_has_an_example_and_needs_no_version(repository: Path) -> None:
    ended = release(repository, "--help")
    assert ended.returncode == 0
    assert "example: scripts/release --dry-run 0.2.0" in ended.stdout


def test_the_changelog_gets_a_dated_section_and_an_empty_unreleased_one(
    released: tuple[Path, str, set[str]],
) -> None:
    folder, _, days = released
    text = (folder / "CHANGELOG.md").read_text()
    (day,) = re.findall(r"^## \[0\.1\.0\] - (.*)$", text, re.MULTILINE)
    assert day in days
    # By hand: the pending section, and what came under Unreleased since then, by heading.
    assert text == (
        "# Changelog\n\n```sh\nwattgram --version    # wattgram 0.1.0\n```\n\n"
        f"## [Unreleased]\n\n## [0.1.0] - {day}\n\n"
        "### Added\n\n- The first function.\n\n### Fixed\n\n- An early fix.\n- A later fix.\n\n"
        "[Unreleased]: https://github.com/wattgram/wattgram/compare/v0.1.0...HEAD\n"
        "[0.1.0]: https://github.com/wattgram/wattgram/releases/tag/v0.1.0\n"
    )


def test_the_tag_is_annotated_with_the_section_and_marks_the_release_commit(
    released: tuple[Path, str, set[str]],
) -> None:
    folder, output, _ = released
    assert git(folder, "cat-file", "-t", "v0.1.0").strip() == "tag"
    message = git(folder, "tag", "-l", "--format=%(contents)", "v0.1.0")
    assert message.startswith("wattgram 0.1.0\n\n### Added\n\n- The first function.\n")
    assert git(folder, "log", "-1", "--format=%D %s").strip() == "HEAD -> main, tag: v0.1.0 Release 0.1.0"
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "remote") == ""
    assert "git push origin HEAD v0.1.0" in output


def test_archive_and_wheel_have_the_version_and_match_their_checksums(released: tuple[Path, str, set[str]]) -> None:
    folder, output, _ = released
    dist = folder / "dist/0.1.0"
    sums = dict(line.split("  ")[::-1] for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert sorted(sums) == sorted(path.name for path in dist.iterdir() if path.name != "SHA256SUMS")
    assert all(hashlib.sha256((dist / name).read_bytes()).hexdigest() == found for name, found in sums.items())
    assert all(f"{found}  {name}" in output for name, found in sums.items())
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "\nVersion: 0.1.0\n" in archive.read("wattgram-0.1.0.dist-info/METADATA").decode()
        assert archive.read("wattgram/__init__.py").decode().endswith('__version__ = "0.1.0"\n')
    with tarfile.open(dist / "wattgram-0.1.0.tar.gz") as archive:
        assert "wattgram-0.1.0/CHANGELOG.md" in archive.getnames()


def test_a_dry_run_shows_the_next_release_and_changes_nothing(
    released: tuple[Path, str, set[str]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(released[0], tmp_path / "project"))
    replaced(folder / "CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n### Added\n\n- Another function.\n")
    committed(folder)
    before = state(folder)
    ended = release(folder, "--dry-run", "0.2.0rc1")
    assert ended.returncode == 0, ended.stderr
    for line in (
        '\n+version = "0.2.0rc1"\n',
        '\n+__version__ = "0.2.0rc1"\n',
        "\n+wattgram --version    # wattgram 0.2.0rc1\n",
        "\n+## [0.2.0rc1] - ",
        "\ntag v0.2.0rc1\n",
        "\n- Another function.\n",
        "  wattgram-0.2.0rc1.tar.gz\n",
    ):
        assert line in ended.stdout, line
    assert "dry run: nothing was changed" in ended.stderr
    assert state(folder) == before
    assert git(folder, "status", "--porcelain") == ""


def dirty(folder: Path) -> None:
    (folder / "notes.txt").write_text("not committed\n")


def tagged(folder: Path) -> None:
    git(folder, "tag", "v0.1.0")


def emptied(folder: Path) -> None:
    (folder / "CHANGELOG.md").write_text(re.sub(r"^(###|-) .*\n", "", CHANGELOG, flags=re.MULTILINE))
    committed(folder)


def dated(folder: Path) -> None:
    replaced(folder / "CHANGELOG.md", "## [0.1.0] - unreleased", "## [0.1.0] - 2026-11-01")
    committed(folder)


def differing(folder: Path) -> None:
    replaced(folder / "agent/wattgram/__init__.py", "0.1.0", "0.0.9")
    committed(folder)


def unnamed(folder: Path) -> None:
    replaced(folder / "CHANGELOG.md", "## [0.1.0] - unreleased", "## [0.0.7] - 2026-11-01")
    committed(folder)


def unchanged(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "arguments", "reason"),
    [
        (unchanged, [], "give the version, such as 0.2.0"),
        (unchanged, ["0.1"], "found version 0.1; allowed: 0.2.0, or 0.2.0rc1"),
        (unchanged, ["v0.1.0"], "found version v0.1.0; allowed"),
        (unchanged, ["0.1.0", "0.2.0"], "found versions 0.1.0 and 0.2.0; give one"),
        (unchanged, ["--push", "0.1.0"], "found option --push; allowed: --dry-run"),
        (unchanged, ["0.0.9"], "version 0.0.9 is lower than 0.1.0"),
        (unchanged, ["0.2.0"], "section [0.1.0] has no date; release 0.1.0 first"),
        (dirty, ["0.1.0"], "changes that are not committed: ?? notes.txt"),
        (tagged, ["0.1.0"], "the tag v0.1.0 exists"),
        (emptied, ["0.1.0"], "nothing under Unreleased"),
        (dated, ["0.1.0"], "section [0.1.0] has a date"),
        (differing, ["0.1.0"], "pyproject.toml has version 0.1.0, wattgram.__version__ is 0.0.9"),
        (unnamed, ["0.1.0"], "expected sections [Unreleased] and [0.1.0]"),
    ],
)
def test_a_refusal_gives_its_reason_in_one_line_and_changes_nothing(
    repository: Path, change: Callable[[Path], None], arguments: list[str], reason: str
) -> None:
    change(repository)
    before = state(repository)
    ended = release(repository, *arguments)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("wattgram: release: ")
    assert reason in line
    assert state(repository) == before


def test_a_build_that_fails_leaves_no_commit_and_no_tag(repository: Path) -> None:
    replaced(repository / "pyproject.toml", 'license = "Apache-2.0"', 'license = "no such licence"')
    committed(repository)
    before = state(repository)
    ended = release(repository, "0.1.0")
    assert ended.returncode == 1, ended.stderr
    assert state(repository) == before
