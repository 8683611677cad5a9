"""JSON Schema (draft 2020-12) of every MQTT message and of every HTTP response.

Write the files: python -m wattgram.schemas FOLDER
"""
