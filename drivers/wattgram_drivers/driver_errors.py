"""What can go wrong between a map and a device; the type answers whether to try again."""


class DriverError(Exception):
    """Anything that this package reports."""


class MapError(DriverError):
    """A register map has mistakes: one line each, naming file, register, key and what is allowed. Final."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class BusDown(DriverError):
    """The connection or the serial line cannot be opened, or was lost. Concerns every unit on it; retry later."""


class NoAnswer(DriverError):
    """A unit did not answer within its time-out. Retry later; the bus itself may be well."""


class BadAnswer(DriverError):
    """An answer came that does not belong to the request, or is malformed. It was discarded; retry later."""


class Refused(DriverError):
    """The unit answered with a Modbus exception; `code` is its number (2 = illegal address, 6 = busy)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
