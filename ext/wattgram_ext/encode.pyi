from collections.abc import Sequence
from typing import final

@final
class Encoder:
    """Writes the records of one series: names and tags are escaped once, here.

    measurement, tags: as in InfluxDB line protocol; a tag with an empty value is left out.
    fields: names of the numbers, in the order of a record's block of doubles.
    integers: which of `fields` are whole numbers (line protocol `5i`, JSON `5`).
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
        """One line of line protocol without a newline; time in ns. NaN and infinities and empty texts are
        left out; b"" when no field is left. Numbers are the shortest text that reads back as the same double."""
    def json(self, values: bytes, texts: Sequence[str], time: int, replayed: bool) -> bytes:
        """One JSON object: "time" (RFC 3339 UTC, milliseconds, Z), the texts, the numbers, and
        "replayed": true only when it is so. NaN, infinities and empty texts are left out."""
