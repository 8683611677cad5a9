from collections.abc import Sequence
from typing import Final, final

OUTSIDE: Final[int]
VOID: Final[int]
PRODUCT: Final[int]
DEAD: Final[int]
UNEQUAL: Final[int]
STATE: Final[int]
PRESENCE: Final[int]
NAMEPLATE: Final[int]

@final
class Screen:
    """Search a decoded reading for suspicious values, in one call. The caller examines the findings.

    An index selects a value of the decoded block; a position selects a word of the image.

    bounds: for each value (low, high, position, words, little): lowest and highest plausible value; for a float the
            place of its words, else position -1
    blocks: for each request (positions, ranges): the block is judged if one of the positions was read; the words of the
            ranges (first, count) that were read must not all be 0x0000 or all 0xFFFF
    counters: indices of the counters. A counter above 0 shows that zeros are true.
    products: (power, slack, pairs): |power| must not exceed the sum of |voltage x current| x factor + slack.
            pairs: (voltage, current, factor, voltage_position, current_position); a current of -1 counts as 1. A pair
            of values that were read and are not available counts nothing; another absent value makes the sum unknown.
            Of adjacent rules of one power the first with a known sum above 0, or with a finding, decides.
    ports: (voltages, magnitudes): if all known voltages are 0, no |value| of the magnitudes (value, threshold) must
            exceed its threshold
    sums: (total, parts): unless all parts are 0, the total must equal the sum of the parts
    pairs: (apparent, active): |active| must not exceed an apparent power above 0
    states: (state, allowed): the state must be one of the allowed values
    nameplate: index of the nameplate, or -1
    words: length of the image in 16-bit words
    ValueError: an index or a position is not valid.
    """

    def __init__(
        self,
        bounds: Sequence[tuple[float, float, int, int, bool]],
        blocks: Sequence[tuple[Sequence[int], Sequence[tuple[int, int]]]],
        counters: Sequence[int],
        products: Sequence[tuple[int, float, Sequence[tuple[int, int, float, int, int]]]],
        ports: Sequence[tuple[Sequence[int], Sequence[tuple[int, float]]]],
        sums: Sequence[tuple[int, Sequence[int]]],
        pairs: Sequence[tuple[int, int]],
        states: Sequence[tuple[int, Sequence[float]]],
        nameplate: int,
        words: int,
    ) -> None: ...
    def check(self, values: bytes, image: bytes, valid: bytes) -> int:
        """Return the sum of the findings, 0 for none.

        OUTSIDE: a value is outside its bounds, infinite, or a float other than 0 below 1e-12. VOID: a block is void.
        PRODUCT, DEAD, UNEQUAL, STATE: a product, a port, a sum or pair, a state. PRESENCE: other values are absent
        than in the previous call. NAMEPLATE: the nameplate is above 0 and differs from its previous value.
        ValueError: wrong lengths.
        """
