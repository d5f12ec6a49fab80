"""The watch over the server itself: watchdog, heartbeats, synthetic patient.

It tells whoever runs the server, by ways that deliveries to people do not use.
"""
