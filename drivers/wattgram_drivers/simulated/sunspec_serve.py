"""SunSpec: lay out a chain of models to serve: its members, and the words that give it shape."""

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
"""Exponents of a chain that we serve: 10 W steps reach 327 kW, 0.1 A reaches 6.5 kA; the others are 0."""

_SERVED_BLOCKS: Mapping[int, int] = {160: 2, 714: 2, 803: 1}
"""Repeating blocks of a chain that we serve."""


@dataclass(frozen=True, slots=True)
class Section:
    """A model 1 with this identity, and the models that follow it."""

    models: tuple[int, ...]
    vendor: str
    model: str
    serial: str


def chain(
    models: Sequence[int], vendor: str, model: str, serial: str, base: int = 40000
) -> tuple[Device, Mapping[int, int]]:
    """A chain of one device to serve: what `sunspec` reads it as, and its words; see `chains`."""
    found, words = _laid([Section(tuple(models), vendor, model, serial)], base)
    known = members(found)
    return described(pick(known, "sunspec", None), CommonModel(vendor, model, serial), alone=len(known) == 1), words


def chains(sections: Sequence[Section], base: int = 40000) -> tuple[tuple[Device, ...], Mapping[int, int]]:
    """One chain of several devices to serve: its members, and the words at their addresses that give it shape.

    The words cover every register of the chain without a hole: marker, IDs, lengths, identity strings,
    scale factors and block counts as they shall be, all other points as "not implemented" until the server
    writes a value over them. Each section begins with model 1, named or not. ValueError for a model we do not know.
    """
    found, words = _laid(sections, base)
    commons = [one for one in found if one.model == 1]
    told = {
        common: CommonModel(each.vendor, each.model, each.serial)
        for common, each in zip(commons, sections, strict=True)
    }
    known = members(found)
    return tuple(described(one, told[one.common], alone=len(known) == 1) for one in known if one.common), words


def _laid(sections: Sequence[Section], base: int) -> tuple[list[FoundModel], dict[int, int]]:
    found: list[FoundModel] = []
    words = dict(enumerate(_words(MARKER), base))
    address = base + 2
    for section in sections:
        texts = {"Mn": section.vendor, "Md": section.model, "SN": section.serial}
        for number in (1, *(each for each in section.models if each != 1)):
            if number != 1 and number not in POINT_QUANTITIES:
                raise ValueError(
                    f"SunSpec model {number} is not known; known are 1, {', '.join(map(str, POINT_QUANTITIES))}"
                )
            model = definition(number)
            blocks = _SERVED_BLOCKS.get(number, 0)
            found.append(FoundModel(number, address, model.size + blocks * model.block_size - 2))
            fixed = {"ID": number, "L": found[-1].length, "DA": 1, "N": blocks, "NStr": blocks, "NPrt": blocks}
            for point in model.points:
                words.update(enumerate(_shape(point, fixed, texts), address + point.offset))
            for block in range(blocks):
                start = address + model.size + block * model.block_size
                for point in model.block:
                    words.update(enumerate(_shape(point, {"ID": block + 1}, {}), start + point.offset))
            address += found[-1].length + 2
    words[address], words[address + 1] = END, 0
    return found, words


def _shape(point: ModelPoint, fixed: Mapping[str, int], texts: Mapping[str, str]) -> list[int]:
    """The words of a point that shall not change, else of "not implemented"."""
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
