"""Classes of an MQTT 5 broker's refusals of a PUBLISH: pure functions of the reason code (OASIS MQTT 5, 2.4).

Other brokers end the connection in place of an answer: those of version 3.1.1 may acknowledge a refused message or
disconnect (MQTT 3.1.1, 3.3.5-2), and AWS IoT, EMQX with `deny_action = disconnect` and HiveMQ disconnect with 5, too.
"""

from __future__ import annotations

from wattgram.base.refusal import RefusalKind, SinkRefusal

from .packets import PACKET_TOO_LARGE, Acknowledgement

LASTING_CODES = frozenset({0x87, 0x90, PACKET_TOO_LARGE, 0x99})
"""Reason codes that a repetition does not change while the broker's settings stay: not authorised, topic name invalid,
packet too large, payload format invalid. All others, such as a quota (0x97), may pass."""

WITHOUT_REFUSALS = (
    "the broker has MQTT 3.1.1, in which it cannot report refusals: a message of a forbidden topic is lost silently or "
    "ends the connection; use MQTT 5 if rights depend on the topic"
)
WITHOUT_REFUSALS_QOS0 = (
    "Sparkplug has no acknowledgements, so the broker cannot report refusals: check its rights for the topics spBv1.0/"
)
"""Remarks for the operator."""

REASON_HINTS = {0x87: "may this user publish there?", 0x97: "which quota has the broker for this user?"}


def publish_refusal(topic: str, answer: Acknowledgement) -> SinkRefusal:
    """Return the refusal of a message by its acknowledgement, whose code is 0x80 or above."""
    hint = REASON_HINTS.get(answer.code)
    kind = RefusalKind.LASTING if answer.code in LASTING_CODES else RefusalKind.PASSING
    return SinkRefusal(f"{topic}: {answer}{f'; {hint}' if hint else ''}", kind)
