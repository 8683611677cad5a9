"""The sinks: a file each, with its settings, its reader and its factory."""

SINKS: dict[str, str] = {
    "mqtt": "wattgram.delivery.sinks.mqtt_sink",
    "mqtt.sparkplug": "wattgram.delivery.sinks.sparkplug.sparkplug_sink",
    "influxdb": "wattgram.delivery.sinks.influx_sink",
}
"""Module of each sink by its table in the configuration, a `sink.SinkModule`; imported when the table is there."""
