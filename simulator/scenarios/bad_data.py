"""Scenario 15: a device that talks nonsense.

Broken JSON, null, NaN, a metric nobody knows and a value in the wrong unit, one after the other
among good readings. All of it must be set aside with its reason; none of it is
physiology.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth

EVERY_S = 2.0

# Numbers and identities are filled in by the device, see `Speaker.broken`.
_SAMPLE = (
    '{"schema":"hd.tel/1","dev":"%DEV%","boot":"%BOOT%","seq":%SEQ%,"dev_time":"%NOW%",'
    '"mono_ms":%MONO%,"mode":"TX","test":false,"s":[{"t":0,"v":{VALUES}}]{MORE}}'
)


def _sample(values: str, more: str = "") -> str:
    return _SAMPLE.replace("{VALUES}", "{" + values + "}").replace("{MORE}", more)


# 158776 is the venous pressure; 22.6 kPa would be 170 mm[Hg], read as mm[Hg] it would be an alarm.
NONSENSE = (
    _sample('"158776":null'),
    _sample('"158776":NaN'),
    _sample('"999999":12'),
    _sample('"158776":22.6', ',"u":{"158776":"kPa"}'),
)


@dataclass
class BadData(Scenario):
    """Each kind of nonsense is sent once, `EVERY_S` seconds apart, `rounds` times."""

    rounds: int = 1

    number = 15
    name = "bad-data"
    title = "device sends nonsense"

    @property
    def truth(self) -> Truth:
        """Set aside with its reason, told to the list only."""
        return Truth(
            alerts=(ExpectedAlert(codes.SERVER_ALERTS, codes.DATA_QUALITY, "PL", 60.0),),
            dead_letters=(
                "malformed",
                "null-value",
                "not-a-number",
                "unknown-metric",
                "wrong-unit",
            ),
            physiological=False,
        )

    def begin(self, stage: Stage) -> None:
        """Nothing yet."""
        self._sent = 0

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Send the next piece of nonsense when it is due."""
        pieces = len(NONSENSE) + 1
        while self._sent < min(self.rounds * pieces, int(elapsed_s // EVERY_S)):
            piece = self._sent % pieces
            if piece < len(NONSENSE):
                stage.say_broken("tel", NONSENSE[piece])
            else:
                stage.say_garbage('{"schema":"hd.tel/1","seq":')
            self._sent += 1
