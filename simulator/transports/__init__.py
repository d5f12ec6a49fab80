"""How devices reach the server: the store-and-forward buffer (pure) and MQTT 3.1.1."""
