"""An outsider's checks and measurements: speaks HTTP, MQTT and SMS, imports nothing of the server."""
