from datetime import UTC, datetime

import orjson
import pytest

from conformance.load import messages
from conformance.load.messages import NUMBER, Acknowledgement, Voice

NOW = datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)
VOICE = Voice("0A1B2CFFFE3D4E5F", "b7c1")


def test_telemetry_names_the_device_the_boot_and_the_number() -> None:
    body = orjson.loads(messages.telemetry(VOICE, 7, NOW, 1000, [(0, {NUMBER: 7})]))
    assert body == {
        "schema": "hd.tel/1",
        "dev": "0A1B2CFFFE3D4E5F",
        "boot": "b7c1",
        "seq": 7,
        "dev_time": "2026-01-05T09:00:00.123Z",
        "mono_ms": 1000,
        "mode": "TX",
        "s": [{"t": 0, "v": {NUMBER: 7}}],
    }


def test_a_calm_sample_has_the_wanted_size_and_carries_its_number() -> None:
    for values in range(1, messages.MOST_VALUES + 1):
        sample = messages.calm(31, values)
        assert len(sample) == values
        assert sample[NUMBER] == 31


def test_every_value_is_declared_at_birth_with_its_unit() -> None:
    birth = orjson.loads(messages.birth(VOICE, NOW, 0, 12))
    spoken = messages.calm(1, 12) | messages.FALLEN
    assert spoken.keys() <= birth["metrics"].keys()
    assert all(one["unit"] for one in birth["metrics"].values())


def test_a_blood_pressure_is_one_observation() -> None:
    calm = messages.calm(1, 12)
    assert messages.observations(calm) == 12
    assert messages.observations(calm | messages.FALLEN) == 13


def test_an_acknowledgement_is_read() -> None:
    raw = b'{"boot":"b","kind":"tel","through":4,"also":[[6,7]],"rejected":[3]}'
    word = messages.read_acknowledgement(raw)
    assert word == Acknowledgement("b", "tel", 4, ((6, 7),), frozenset({3}))
    assert [n for n in range(1, 10) if word.covers(n)] == [1, 2, 3, 4, 6, 7]


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"kind":"birth"}', b'{"kind":"tel","boot":"b"}', b'{"kind":"tel"}']
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - orjson's own words or ours
        messages.read_acknowledgement(raw)
