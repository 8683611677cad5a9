from collections.abc import Sequence
from typing import final

@final
class Decoder:
    """Turns the registers of one reading into doubles, one call a reading.

    fields: for each value (position, type, little, numerator, denominator, scale_position, invalid,
            offset, quadrants, direction_position, mask, negative):
        position        first word of the value in the image
        type            "u16" "i16" "u32" "i32" "u64" "i64" "f32" "f64"
        little          True where the low word comes first
        numerator, denominator   value = (raw - offset) * numerator / denominator, finite doubles, denominator > 0
        scale_position  word of a signed decimal exponent in the image (SunSpec sunssf, -10..10), or -1
        invalid         raw bit patterns (unsigned, full width) that mean "not available"
        quadrants       True where a value above 1 means 2 - value and one below -1 means -2 - value
        direction_position  word of the image whose bits tell the direction of a magnitude, or -1: then
                        |raw - offset| is taken, and is negative when word & mask == negative
    factors: (target, factor) pairs of field indices: the target is multiplied by the factor's value.
    words: length of the image in 16-bit words.
    ValueError names the field whose position, type, scale or direction is wrong.
    """

    def __init__(
        self,
        fields: Sequence[tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int]],
        factors: Sequence[tuple[int, int]],
        words: int,
    ) -> None: ...
    def decode(self, image: bytes, valid: bytes) -> bytes:
        """One double (native order) a field; NaN where a word was not read, is marked not available, or
        the scale is. image has 2 x words bytes, valid has one byte a word; ValueError otherwise."""
