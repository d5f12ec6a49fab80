"""Who a device is: EUI-64, maker, model and the table of what it measures.

EUI-64: https://standards.ieee.org/wp-content/uploads/import/documents/tutorials/eui.pdf
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

DeviceKind = Literal["hemodialysis-machine", "bp-cuff", "gateway"]


@dataclass(frozen=True, slots=True)
class Identity:
    """`eui64`: 16 upper-case hexadecimal digits; `interval_s`: seconds between its messages."""

    eui64: str
    kind: DeviceKind
    manufacturer: str
    model: str
    serial: str
    interval_s: float

    def __post_init__(self) -> None:
        if len(self.eui64) != 16 or not set(self.eui64) <= set("0123456789ABCDEF"):
            raise ValueError(f"not an EUI-64: {self.eui64!r}")

    @property
    def dashed(self) -> str:
        """The EUI-64 as FHIR identifiers carry it, for example ``0A-1B-2C-FF-FE-3D-4E-5F``."""
        return "-".join(self.eui64[i : i + 2] for i in range(0, 16, 2))


def eui64_for(name: str) -> str:
    """Return a stable, locally administered EUI-64 for a device called `name`."""
    digest = bytearray(sha256(name.encode()).digest()[:8])
    digest[0] = (digest[0] & 0xFC) | 0x02
    digest[3:5] = b"\xff\xfe"
    return digest.hex().upper()


def machine(name: str, *, interval_s: float = 1.0) -> Identity:
    """Return the identity of the dialysis machine called `name`."""
    eui64 = eui64_for(f"machine/{name}")
    return Identity(
        eui64,
        "hemodialysis-machine",
        "Simulated Dialysis",
        "SIM-HD 1",
        f"M-{eui64[-6:]}",
        interval_s,
    )


def cuff(name: str, *, interval_s: float) -> Identity:
    """Return the identity of the blood pressure cuff called `name`."""
    eui64 = eui64_for(f"cuff/{name}")
    return Identity(eui64, "bp-cuff", "Simulated Cuffs", "SIM-BP 1", f"C-{eui64[-6:]}", interval_s)


def gateway(name: str) -> Identity:
    """Return the identity of the gateway called `name`: it measures nothing itself."""
    eui64 = eui64_for(f"gateway/{name}")
    return Identity(eui64, "gateway", "Simulated Gateways", "SIM-GW 1", f"G-{eui64[-6:]}", 0.0)
