"""How what devices stream finds Subscriptions in the database."""

from typing import Any

from fhirserver.kernel.canonical import (
    TOPIC_PATIENT_OBSERVATION,
)
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EFFECTIVE_MARK, ObservationForm, ObservationRow, value_mark
from tests.integration.response.conftest import Place
from tests.integration.response.test_matching import ADMIN, observation, owed, subscription


def measured(patient: str | None = "ann", code: str = "8867-4") -> Json:
    """What the stream of a device is prepared with."""
    resource = observation(code=code, patient=patient or "")
    del resource["id"]
    if patient is None:
        del resource["subject"]
    resource["effectiveDateTime"] = EFFECTIVE_MARK
    resource["valueQuantity"]["value"] = value_mark(0)
    return resource


async def stream(place: Place, *values: str) -> list[str]:
    """Store these values of Ann and of a machine that nobody uses, as their device would; return Ann's."""
    async with place.record.telemetry(place.tenant) as tx:
        templates = [
            await tx.prepare("ann", ObservationForm(measured(), 1), "ann"),
            await tx.prepare("none", ObservationForm(measured(None), 1), None),
        ]
        rows = [
            ObservationRow(template, place.now, (value,))
            for value in values
            for template in templates
        ]
        ids = await tx.copy_observations(rows)
    return [f"Observation/{id_}" for id_ in ids[::2]]


async def test_what_devices_stream_is_matched_like_anything_else(place: Place) -> None:
    for one in (
        subscription("hers", TOPIC_PATIENT_OBSERVATION, "Observation?patient=Patient/ann"),
        subscription("zoes", TOPIC_PATIENT_OBSERVATION, "Observation?patient=Patient/zoe"),
        subscription("high", "Observation?patient=Patient/ann&value-quantity=gt100"),
        subscription("team", TOPIC_PATIENT_OBSERVATION, "Observation?care-team=CareTeam/team"),
    ):
        await place.client_put(one, ADMIN)
    for _ in range(2):
        low, high = await stream(place, "80", "120.50")
        told = [(who, what) for who, _, what in await owed(place) if what in (low, high)]
        assert sorted(told) == sorted(
            [("hers", low), ("hers", high), ("high", high), ("team", low), ("team", high)]
        )
    stored = await place.get("Observation", high.rpartition("/")[2])
    assert str(stored["valueQuantity"]["value"]) == "120.50"


async def test_streams_nobody_asks_for_cost_one_question(place: Place, monkeypatch: Any) -> None:
    from fhirserver.store.transaction import WriteTransaction

    one = subscription("s", TOPIC_PATIENT_OBSERVATION, "Observation?patient=Patient/zoe")
    await place.client_put(one, ADMIN)
    await stream(place, "80")
    asked: list[str] = []
    execute = WriteTransaction.execute

    async def counted(self: WriteTransaction, sql: Any, args: Any = ()) -> Any:
        asked.append(sql)
        return await execute(self, sql, args)

    monkeypatch.setattr(WriteTransaction, "execute", counted)
    await stream(place, "80", "81", "82")
    assert len([sql for sql in asked if "subscription_" in sql]) == 1
    assert await owed(place) == []
