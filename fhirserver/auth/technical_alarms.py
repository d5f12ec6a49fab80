"""Which alarms a technician sees. Data, held against the engine's own table by a test."""

from typing import Final

# Alarms that say something about a machine and nothing about a body: the codes of kind ``technical``
# (11073-10101 events and those of our own).
TECHNICAL_ALARMS: Final = (
    "196616", "196638", "196802", "198216", "198236", "198238", "198240", "198242", "198244",
    "198252", "198254", "198256", "198258", "198260", "198262", "198264", "198266", "198268",
    "198270", "198272", "198274", "198276", "198278", "blood-pressure-overdue", "clock-wrong",
    "data-quality", "device-silent", "evaluation-late", "monitoring-not-armed", "power-lost",
    "reading-not-credible", "readings-missing", "session-end-missing",
)  # fmt: skip
