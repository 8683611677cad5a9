"""Powers of two words apart on firmware whose high words stay at 0: absent where the value may be a negative one.

Such a unit sends -10 W as FFF6 with the high word 0: 65,526 W. A unit whose high words live sends FFFF FFF6, so that
one high word other than 0 shows that all values are right (kellerza/sunsynk and ha-solarman, Deye with three phases).
"""

from __future__ import annotations

from math import isfinite, isnan

from wattgram_drivers.device import Reading
from wattgram_drivers.plan import Plan

from .bounds import Limits
from .examination import Examination
from .power_checks import PowerChecks
from .power_witnesses import MARGIN, PRODUCT_SLACK

SIGN = 0x80
_LOW_WORD = 1 << 16

TIGHT_MARGIN = 1.1
"""Factor on voltage x current above which a power without a sign is doubtful: another request may be later."""

REASON = "may be a negative value of a unit without high words: its high word is 0, as all others were"


class DeadHighWords:
    """The values of one device whose low word alone may be the signed value (`Register.low_alone`)."""

    def __init__(self, plan: Plan) -> None:
        self._octets = tuple(
            (index, 2 * place.position, 2 * place.low_position)
            for index, place in enumerate(plan.places)
            if place.register.low_alone
        )
        self._alive = False  # a high word was not 0
        self._dead = False  # a value was impossible that is possible as a signed low word

    def take(self, reading: Reading) -> bool:
        """Take a reading; return whether it has a value that may be a negative one."""
        if self._alive:
            return False
        image, valid, doubtful = reading.image, reading.valid, False
        for _, high, low in self._octets:
            if not (valid[high // 2] and valid[low // 2]):
                continue
            if image[high] or image[high + 1]:
                self._alive = True
                return False
            doubtful = doubtful or image[low] >= SIGN
        return doubtful

    def judge(self, case: Examination, limits: tuple[Limits, ...], powers: PowerChecks) -> None:
        """Withhold the doubtful values that voltage x current, the bounds or earlier values do not show to be right."""
        doubtful = []
        for index, high, low in () if self._alive else self._octets:
            image, number = case.reading.image, case.numbers[index]
            if isnan(number) or image[high] or image[high + 1] or image[low] < SIGN:
                continue
            scale = number / int.from_bytes(image[low : low + 2], "big")
            signed, product = number - _LOW_WORD * scale, powers.product(index, case)
            limit = limits[index]
            if isfinite(product):
                allowed = MARGIN * product + PRODUCT_SLACK
                shown = abs(number) > max(TIGHT_MARGIN * product, PRODUCT_SLACK) and abs(signed) <= allowed
                right = product > 0.0 and not shown
            else:
                shown, right = abs(signed) <= PRODUCT_SLACK, False
            shown = shown or not limit.low <= number <= limit.high
            self._dead = self._dead or shown
            doubtful.append((index, shown, right))
        for index, shown, right in doubtful:
            if shown or (self._dead and not right):
                case.withhold([index], "a value with a sign", REASON)
