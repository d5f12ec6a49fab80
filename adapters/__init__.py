"""Devices and interfaces in: bytes become readings and resources, through one door into the record."""
