"""SunSpec: create a chain of models to serve, as members and register words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattgram_drivers.device import Device
from wattgram_drivers.sunspec.members import CommonModel, described, members, pick
from wattgram_drivers.sunspec.models import END, MARKER, FoundModel, ModelPoint, absent, definition
from wattgram_drivers.sunspec.points import POINT_QUANTITIES

_SERVED_EXPONENTS: Mapping[str, int] = {
    "A_SF": -1,
    "AMax_SF": -1,
    "DCA_SF": -1,
    "V_SF": -1,
    "DCV_SF": -1,
    "CellV_SF": -3,
    "Hz_SF": -2,
    "PF_SF": -2,
    "W_SF": 1,
    "VA_SF": 1,
    "VAr_SF": 1,
    "VAR_SF": 1,
    "DCW_SF": 1,
    "WChaDisChaMax_SF": 1,
    "WHRtg_SF": 2,
    "Tmp_SF": -1,
    "ModTmp_SF": -1,
    "SoC_SF": -2,
    "DoD_SF": -2,
    "SoH_SF": -2,
    "DisChaRte_SF": -2,
    "WRtg_SF": 1,
    "VARtg_SF": 1,
    "ARtg_SF": -1,
    "MaxChaRte_SF": 1,
    "MaxDisChaRte_SF": 1,
    "WMax_SF": 1,
    "VRef_SF": -1,
    "VMinMax_SF": -1,
    "VAMax_SF": 1,
    "ECPNomHz_SF": -2,
    "VArAval_SF": 1,
    "WAval_SF": 1,
    "Ris_SF": 3,
    "OutPFSet_SF": -3,
    "WChaMax_SF": 1,
    "ChaState_SF": -2,
    "InBatV_SF": -1,
    "InOutWRte_SF": -2,
    "Var_SF": 1,
    "WH_SF": 2,
    "Pct_SF": -2,
}
"""Exponents of served chains: steps of 10 W reach 327 kW, steps of 0.1 A reach 6.5 kA. All others are 0."""

_SERVED_BLOCKS: Mapping[int, int] = {160: 2, 302: 1, 303: 1, 714: 2, 803: 1}
"""Number of repeating blocks of served models."""


@dataclass(frozen=True, slots=True)
class Section:
    """A model 1 with an identity, and the models that follow."""

    models: tuple[int, ...]
    vendor: str
    model: str
    serial: str


def chain(
    models: Sequence[int], vendor: str, model: str, serial: str, base: int = 40000
) -> tuple[Device, Mapping[int, int]]:
    """Return a chain of a single device to serve: the Device that `sunspec` finds, and the words; see `chains`."""
    found, words = _layout([Section(tuple(models), vendor, model, serial)], base)
    served = members(found)
    return described(pick(served, "sunspec", None), CommonModel(vendor, model, serial), alone=len(served) == 1), words


def chains(sections: Sequence[Section], base: int = 40000) -> tuple[tuple[Device, ...], Mapping[int, int]]:
    """Return a chain of several devices to serve: its members, and its words by address.

    The words cover every register of the chain. Marker, IDs, lengths, identity strings, scale factors and block
    counts are final; all other points are "not implemented" until the server replaces them with values. Each section
    begins with model 1, listed or not. ValueError: unsupported model.
    """
    found, words = _layout(sections, base)
    commons = [model for model in found if model.model == 1]
    identities = {
        common: CommonModel(section.vendor, section.model, section.serial)
        for common, section in zip(commons, sections, strict=True)
    }
    served = members(found)
    alone = len(served) == 1
    return tuple(described(member, identities[member.common], alone=alone) for member in served if member.common), words


def _layout(sections: Sequence[Section], base: int) -> tuple[list[FoundModel], dict[int, int]]:
    found: list[FoundModel] = []
    words = dict(enumerate(_words(MARKER), base))
    address = base + 2
    for section in sections:
        texts = {"Mn": section.vendor, "Md": section.model, "SN": section.serial}
        for number in (1, *(listed for listed in section.models if listed != 1)):
            if number != 1 and number not in POINT_QUANTITIES:
                raise ValueError(
                    f"SunSpec model {number} is not supported; allowed: 1, {', '.join(map(str, POINT_QUANTITIES))}"
                )
            model = definition(number)
            blocks = _SERVED_BLOCKS.get(number, 0)
            found.append(FoundModel(number, address, model.size + blocks * model.block_size - 2))
            fixed = {"ID": number, "L": found[-1].length, "DA": 1, "N": blocks, "NStr": blocks, "NPrt": blocks}
            for point in model.points:
                words.update(enumerate(_initial_words(point, fixed, texts), address + point.offset))
            for block in range(blocks):
                start = address + model.size + block * model.block_size
                for point in model.block:
                    words.update(enumerate(_initial_words(point, {"ID": block + 1}, {}), start + point.offset))
            address += found[-1].length + 2
    words[address], words[address + 1] = END, 0
    return found, words


def _initial_words(point: ModelPoint, fixed: Mapping[str, int], texts: Mapping[str, str]) -> list[int]:
    """Return the words of a constant point; "not implemented" for all others."""
    if point.type == "string":
        text = texts.get(point.name, "").encode("ascii", "replace")
        return _words(text[: 2 * point.size].ljust(2 * point.size, b"\0"))
    if point.name in fixed:
        return [fixed[point.name]]
    if point.type == "sunssf":
        return [_SERVED_EXPONENTS.get(point.name, 0) & 0xFFFF]
    if point.type == "pad":
        return [0x8000]
    return _words(absent(point)[0].to_bytes(2 * point.size, "big"))


def _words(octets: bytes) -> list[int]:
    return [int.from_bytes(octets[index : index + 2], "big") for index in range(0, len(octets), 2)]
