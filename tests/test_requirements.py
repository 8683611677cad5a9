"""The lock files: each dependency of pyproject.toml in an allowed version, each version with hashes, no hosts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
RUN = PROJECT["project"]["dependencies"]
BUILD = PROJECT["build-system"]["requires"]
WANTED = {
    "image.txt": [*RUN, *EXTRAS["parquet"], *EXTRAS["top"]],
    "test.txt": [*RUN, *EXTRAS["test"], *EXTRAS["lint"], *BUILD],
    "build.txt": BUILD,
    "audit.txt": EXTRAS["audit"],
}
PYTHONS = ("3.11", "3.12", "3.13")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement of a lock file with its hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements" / name).read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=")
        yield Requirement(requirement.strip()), [f"--hash={digest.strip()}" for digest in hashes]


def versions(name: str, python: str) -> dict[str, str]:
    """Version by package that pip installs from a lock file on Linux."""
    here = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_system": "Linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    parsed = [
        requirement
        for requirement, _ in entries(name)
        if requirement.marker is None or requirement.marker.evaluate(here)
    ]
    found: dict[str, str] = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==") for requirement in parsed
    }
    assert len(found) == len(parsed), f"{name}: a package has two versions for Python {python}"
    return found


def broken(requirements: Iterable[str], found: dict[str, str]) -> list[str]:
    """Return the requirements that no version in `found` fulfils."""
    parsed = [Requirement(requirement) for requirement in requirements]
    return [
        str(requirement)
        for requirement in parsed
        if canonicalize_name(requirement.name) not in found
        or found[canonicalize_name(requirement.name)] not in requirement.specifier
    ]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_has_an_allowed_version_of_every_dependency(name: str, python: str) -> None:
    assert broken(WANTED[name], versions(name, python)) == []


def test_a_missing_and_an_old_version_are_noticed() -> None:
    assert broken(["h11>=0.16", "rich"], {"h11": "0.14.0"}) == ["h11>=0.16", "rich"]


@pytest.mark.parametrize("name", WANTED)
def test_every_entry_has_one_version_and_its_hashes(name: str) -> None:
    found = list(entries(name))
    assert found
    for requirement, hashes in found:
        assert re.fullmatch("==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(HASH.fullmatch(digest) for digest in hashes), requirement


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_names_no_host_and_no_folder(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert re.findall(r"--(?:extra-)?index-url|--find-links|://|@ ", text) == []
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line.strip("# ") for line in comments][1:] == ["scripts/lock"]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["image.txt", "build.txt"])
def test_ci_tests_the_versions_of_the_image(name: str, python: str) -> None:
    assert versions(name, python).items() <= versions("test.txt", python).items()


def test_every_locked_package_is_named_where_it_is_installed() -> None:
    assert sorted(WANTED) == sorted(path.name for path in (ROOT / "requirements").iterdir())
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    installed = re.findall(r"pip install .*-r requirements/(\S+)", dockerfile)
    assert installed == ["image.txt", "build.txt"]
    assert dockerfile.count("--require-hashes") == len(installed)
