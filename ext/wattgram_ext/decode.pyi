from collections.abc import Sequence
from typing import Any, final

@final
class Decoder:
    """Decode the registers of a reading to doubles, in one call.

    fields: for each value (position, type, little, numerator, denominator, scale_position, invalid,
            offset, quadrants, direction_position, mask, negative), or longer by (magnitude, active, apparent), or
            longer by (low_position, variant, contrary) after these:
        position        first word of the value in the image
        type            "u16" "i16" "u32" "i32" "u64" "i64" "f32" "f64"
        little          True if the low word comes first
        numerator, denominator   value = (raw - offset) * numerator / denominator, finite doubles, denominator > 0
        scale_position  word of a signed decimal exponent in the image (SunSpec sunssf, -10..10), or -1
        invalid         raw bit patterns (unsigned, full width) that mean "not available"
        quadrants       True if a value above 1 means 2 - value, and a value below -1 means -2 - value
        direction_position  word of the image with the direction of a magnitude, or -1: a positive raw - offset becomes
                        negative if word & mask == negative; a negative one stays negative
        contrary        no value while word & contrary == contrary; 0 for none
        magnitude       True if a negative raw value means its magnitude
        active, apparent  indices of the fields of active and apparent power, or -1, of a power factor whose scale is
                        that of percent although some devices send a ratio. All such fields of a reading are of one
                        kind. active / apparent of all fields decides; then a value above 1.02 %, then a scale of
                        10^-3 or less. A value other than 0 that nothing decides is not available. Values above
                        102 % and floats below 1e-12 decide nothing and stay as percent.
        low_position    word with the low half of a value whose two words stand apart, or -1; `position` has the high
                        half, and `little` has no meaning
        variant         None, or (guards, field), each guard (position, length, patterns): while the `length` words (1
                        to 4) of each guard are one of its patterns, the value is that of `field`, if it has one;
                        `field` None: no value. A word of a guard that was not read: no value
    factors: (target, factor) pairs of field indices. The decoder multiplies the target by the factor's value.
    words: length of the image in 16-bit words.
    ValueError: a field's position, type, scale or direction is not valid; the message names the field.
    """

    def __init__(
        self,
        fields: Sequence[
            tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int]
            | tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int, bool, int, int]
            | tuple[
                int,
                str,
                bool,
                float,
                float,
                int,
                Sequence[int],
                float,
                bool,
                int,
                int,
                int,
                bool,
                int,
                int,
                int,
                Any,
                int,
            ]
        ],
        factors: Sequence[tuple[int, int]],
        words: int,
    ) -> None: ...
    def decode(self, image: bytes, valid: bytes) -> bytes:
        """Return one double (native order) a field; NaN if a word was not read, or if value or scale is not available.

        image: 2 x words bytes. valid: one byte a word. ValueError: other lengths.
        """
