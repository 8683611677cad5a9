"""The last seal that the broker retains: a restored card does not know what it published after the image was made."""

from __future__ import annotations

import asyncio
import json
import logging

from wattgram.base.errors import SinkError
from wattgram.mqtt.mqtt_settings import MqttConfig

log = logging.getLogger(__name__)

RETAINED_TIMEOUT = 10.0
"""Longest time for the connection and the retained message, s; a topic without a message has no answer."""

MOST_SEAL = 20_000
"""Largest message, bytes."""


async def retained_checkpoint(settings: MqttConfig, site: str) -> str:
    """Return the checkpoint of the retained seal of a site; "" if there is none or the broker is unavailable.

    The text comes from outside: the caller checks the signature.
    """
    from wattgram.mqtt.mqtt_connection import Broker  # noqa: PLC0415 - memory that a site without a broker does not need

    topic = f"{settings.prefix}/{site}/seal"
    try:
        async with asyncio.timeout(RETAINED_TIMEOUT):
            async for message in Broker(settings).listen(topic, MOST_SEAL):
                if message.retained:
                    return str(json.loads(message.payload)["checkpoint"])
    except (SinkError, TimeoutError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.debug("seal: no retained seal at the broker: %s", error)
    return ""
