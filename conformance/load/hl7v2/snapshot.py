"""A machine's PCD-01 snapshot: as many OBX as wanted, one of them the number of the reading. Pure.

Spec: IHE Devices TF-2, PCD-01 (https://profiles.ihe.net/DEV/TF/Volume2/).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from conformance.load.messages import METRICS, MOST_VALUES, NUMBER

# The mode of operation stands before the measures.
MOST_LINES: Final = MOST_VALUES + 1
_MODE: Final = "158594^MDC_HDIALY_MACH_MODE_OF_OPERATION^MDC"
_PROFILE: Final = "IHE_PCD_001^IHEPCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one machine says: `lines` OBX, of which `lines` - 1 are measures. `eui64` in capitals, without dashes."""

    eui64: str
    lines: int = 20
    _shape: bytes = field(init=False)

    def __post_init__(self) -> None:
        if not 2 <= self.lines <= MOST_LINES:
            raise ValueError(f"a snapshot has 2 to {MOST_LINES} OBX")
        object.__setattr__(self, "_shape", self._made())

    @property
    def values(self) -> int:
        """How many Observations it becomes."""
        return self.lines - 1

    def message(self, number: int, control_id: str, now: datetime) -> bytes:
        """Return the reading `number`, measured `now` (UTC)."""
        moment = f"{now:%Y%m%d%H%M%S}.{now.microsecond // 1000:03d}+0000".encode()
        return self._shape % (moment, control_id.encode(), moment, number)

    def _made(self) -> bytes:
        name = f"LOAD-1^{self.eui64}^EUI-64"
        order = f"{self.eui64}20260101000000^{name}"
        segments = [
            f"MSH|^~\\&|{name}||HDSRV||%b||ORU^R01^ORU_R01|%b|P|2.6|||AL|NE|||||{_PROFILE}",
            "PID|||LOAD-1/1^^^^U||^^^^^^U",
            "PV1||U",
            f"OBR|1||{order}|70929^MDC_DEV_HDIALY_MACHINE_MDS^MDC|||%b",
            f"OBX|1|ST|{_MODE}|1.1.1.3|TX||||||F",
        ]
        for line, code in enumerate(list(METRICS)[: self.values], 2):
            unit, value = METRICS[code]
            text = "%d" if code == NUMBER else str(value)
            segments.append(
                f"OBX|{line}|NM|{code}^^MDC|1.1.3.{line}|{text}|{unit}^{unit}^UCUM|||||F||||||AMEAS"
            )
        return "".join(f"{one}\r" for one in segments).encode()
