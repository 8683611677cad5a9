from collections.abc import Sequence
from typing import final

@final
class Encoder:
    """Encode the records of a series. Names and tags are escaped once, in the constructor.

    measurement, tags: as in InfluxDB line protocol; a tag with an empty value is left out.
    fields: names of the numbers, in the order of a record's block of doubles.
    integers: those of `fields` that are whole numbers (line protocol `5i`, JSON `5`).
    texts: names of the string fields.
    """

    def __init__(
        self,
        measurement: str,
        tags: Sequence[tuple[str, str]],
        fields: Sequence[str],
        integers: Sequence[str],
        texts: Sequence[str],
    ) -> None: ...
    def line(self, values: bytes, texts: Sequence[str], time: int) -> bytes:
        """Return a line of line protocol without a newline; time in ns.

        NaN, infinities and empty texts are left out; b"" if no field remains. A number is the shortest text that
        parses to the same double.
        """
    def json(self, values: bytes, texts: Sequence[str], time: int, replayed: bool) -> bytes:
        """Return a JSON object: "time" (RFC 3339 UTC, milliseconds, Z), the texts and the numbers.

        "replayed": true is present only if `replayed`. NaN, infinities and empty texts are left out.
        """
