"""The effective configuration by name, without secrets, and digests of all that decides on the results."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import wattgram_drivers
import wattgram_ext
from wattgram_drivers.device import Device

import wattgram
from wattgram import __version__
from wattgram.config.load import Config

from .sealed_json import JsonObject, canonical, sealed_text

MOST_SETTING = 300
"""Longest text of a setting in an entry; of a longer text, the entry has the hash."""

_LOGIN = re.compile(r"//[^/@\s]*@")

_QUERY = re.compile(r"(?<=//)([^?#\s]*)[?#]\S*")
"""Address with a query, which may contain a token."""

_PROGRAM_FILES = (".py", ".so", ".toml", ".csv", ".json")


def settings_by_name(config: Config) -> dict[str, str]:
    """Return each setting by its name, such as device.incomer.ratio, as text; secrets and logins are left out.

    A field that its dataclass does not show (repr=False) is a secret. Unset values are left out.
    """
    found: dict[str, str] = {}
    _collect("", config, found)
    return found


def configuration_digests(config: Config) -> JsonObject:
    """Return SHA-256 digests of the settings, the register map of each device, the factor tables and the program."""
    maps = {device.name: _sha256(_canonical_repr(device.device)) for device in config.devices if device.device}
    root = Path(wattgram.__file__).parent
    tables = {path.name: _file_digest(path) for path in sorted((root / "grid").glob("*.csv"))}
    return {
        "configuration": sha256(canonical(settings_by_name(config))).hexdigest(),
        "maps": maps,
        "factors": tables,
        "program": {"version": __version__, "sha256": _program_digest()},
    }


def changes_by_name(before: Mapping[str, object], after: Mapping[str, object]) -> list[JsonObject]:
    """Return the changed settings as rows with name, old and new value; None for no value."""
    names = sorted(before.keys() | after.keys())
    return [
        {"name": name, "from": before.get(name), "to": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    ]


def _collect(name: str, value: object, found: dict[str, str]) -> None:
    if value is None or value == "":
        return
    if isinstance(value, Device):
        found[f"{name.rpartition('.')[0]}.map"] = f"sha256:{_sha256(_canonical_repr(value))}"
    elif is_dataclass(value):
        for each in fields(value):
            if each.repr:
                _collect(f"{name}.{each.name}".lstrip("."), getattr(value, each.name), found)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            _collect(f"{name}.{key}", value[key], found)
    elif isinstance(value, (frozenset, set)):
        _collect(name, sorted(map(str, value)), found)
    elif isinstance(value, (list, tuple)):
        _collect_all(name, value, found)
    else:
        text = value.key if isinstance(value, ZoneInfo) else value.hex() if isinstance(value, bytes) else str(value)
        text = sealed_text(_QUERY.sub(lambda found: f"{found[1]}?sha256:{_sha256(found[0])}", _LOGIN.sub("//", text)))
        found[name] = text if len(text) <= MOST_SETTING else f"sha256:{_sha256(text)}"


def _collect_all(name: str, values: Collection[object], found: dict[str, str]) -> None:
    """Collect the elements of a list; plain values are one setting, and a dataclass has its name or its number."""
    if not any(is_dataclass(value) for value in values):
        if values:
            _collect(name, ", ".join(map(str, values)), found)
        return
    plural = "device" if name == "devices" else name
    for number, value in enumerate(values, 1):
        _collect(f"{plural}.{getattr(value, 'name', '') or number}", value, found)


def _canonical_repr(value: object) -> str:
    """Return a text that is the same for equal definitions in every process."""
    if is_dataclass(value):
        parts = (f"{each.name}={_canonical_repr(getattr(value, each.name))}" for each in fields(value))
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{key!r}: {_canonical_repr(each)}' for key, each in value.items()))}}}"
    if isinstance(value, (frozenset, set)):
        return f"{{{', '.join(sorted(map(_canonical_repr, value)))}}}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return f"[{', '.join(map(_canonical_repr, value))}]"
    return repr(value)


@cache
def _program_digest() -> str:
    """Return the digest of all files of the program: names and contents, in the order of the names."""
    found = sha256()
    for package in (wattgram, wattgram_drivers, wattgram_ext):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*")):
            if path.suffix in _PROGRAM_FILES and path.is_file():
                name = f"{package.__name__}/{path.relative_to(root).as_posix()}"
                found.update(f"{name} {_file_digest(path)}\n".encode())
    return found.hexdigest()


def _file_digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _sha256(text: str) -> str:
    return sha256(text.encode(errors="backslashreplace")).hexdigest()
