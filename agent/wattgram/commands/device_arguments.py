"""Checks of arguments that name a device: driver, URL and unit."""

from __future__ import annotations

from wattgram_drivers import catalogue, endpoint
from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint

from wattgram.base.toml_table import nearest

from .arguments import UsageError


def load_device(driver: str) -> Device | None:
    """Return the device of a driver, None for a SunSpec driver. UsageError when the catalogue has no such driver."""
    if catalogue.is_sunspec(driver):
        return None
    names = [*catalogue.names(), *catalogue.SUNSPEC_MEMBERS]
    if driver not in names:
        raise UsageError(f"found driver {driver!r}{nearest(driver, names)}; allowed: {', '.join(names)}")
    return catalogue.load(driver)


def check_role(role: str, driver: str, device: Device | None) -> None:
    """Check that a device can have a role, "" for none. UsageError with the roles of its map."""
    if role and device is not None and role not in device.roles:
        raise UsageError(f"found --role {role}; allowed with {driver}: {', '.join(device.roles)}")


def parse_endpoint(url: str, *, listen: bool = False) -> Endpoint:
    """Return the endpoint of a URL. UsageError when the URL is wrong."""
    try:
        return endpoint.parse(url, listen=listen)
    except ValueError as error:
        raise UsageError(str(error)) from error


def check_unit(unit: int | None, place: Endpoint, *, option: str = "--unit") -> int | None:
    """Return the unit. UsageError when the transport does not allow the address."""
    if unit is not None and not place.addressed and not 1 <= unit <= 247:
        raise UsageError(f"found {option} {unit} on {place.scheme}; allowed: 1 to 247")
    return unit
