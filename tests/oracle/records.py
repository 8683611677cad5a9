"""An account in the words of the emission record: Wh, g, g/kWh as floats."""

from __future__ import annotations

from collections.abc import Mapping

from .ledger import Account

ENERGIES = {
    "import": "grid_import_energy",
    "export": "grid_export_energy",
    "pv": "pv_energy",
    "generation": "generation_energy",
    "discharge": "battery_discharge_energy",
    "charge": "battery_charge_energy",
    "load": "load_energy",
    "loss": "battery_loss_energy",
    "unaccounted": "unaccounted_energy",
}
CARBON = {
    kind: "emission" if kind == "load" else name.replace("_energy", "_emission") for kind, name in ENERGIES.items()
}


def record(account: Account) -> dict[str, float]:
    """Return the fields of METHOD-SITE 12 of a window, without the kinds that were never known in it.

    `emission_intensity` is left out where nothing was used.
    """
    found = {name: float(account.energy[kind]) for kind, name in ENERGIES.items() if kind in account.known}
    found |= {
        name: float(account.carbon[kind])
        for kind, name in CARBON.items()
        if kind in account.known and (kind != "load" or account.priced_load is not None)
    }
    energy, carbon = account.stock[1]
    found |= {
        "battery_stock_energy": float(energy),
        "battery_stock_emission": float(carbon),
        "scope2_location": float(account.scope2),
        "coverage": float(account.coverage),
    }
    if account.scope1 is not None:
        found["scope1"] = float(account.scope1)
    if account.intensity is not None:
        found["emission_intensity"] = float(account.intensity)
    return found


def differences(
    expected: Mapping[str, float], found: Mapping[str, float], relative: float = 1e-9, absolute: float = 1e-6
) -> dict[str, tuple[float | None, float | None]]:
    """Return the fields of either record that differ by more than both limits, or that only one of them has.

    Fields of `found` that the oracle does not know are not compared.
    """
    known = {*ENERGIES.values(), *CARBON.values(), *expected, "emission_intensity", "scope1"}
    pairs = {name: (expected.get(name), found.get(name)) for name in sorted(known)}
    return {
        name: (ours, theirs)
        for name, (ours, theirs) in pairs.items()
        if (ours is None) != (theirs is None)
        or (ours is not None and theirs is not None and abs(ours - theirs) > max(absolute, relative * abs(ours)))
    }
