"""Devices over MQTT 3.1.1: topics ``hd/v1/{tenant}/{device}/{birth|status|tel|evt}``."""
