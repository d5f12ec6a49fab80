"""Log lines name nobody: planted names, values and queries in requests of every kind, and none of them in a line."""

import logging

import pytest
from structlog.testing import capture_logs

from fhirserver.kernel.resource import Json
from tests.integration.auditing.conftest import House
from tests.integration.rest.conftest import JSON, observation, patient, put

NAMES = ("Quillwater", "Zyxanthe", "4711-0815", "Elmgrove", "87.31")
CLIENT = {"httpx", "httpcore"}
PLANTED: Json = {
    **patient("ann"),
    "name": [{"family": "Quillwater", "given": ["Zyxanthe"]}],
    "identifier": [{"system": "urn:mrn", "value": "4711-0815"}],
    "address": [{"text": "Elmgrove 77"}],
}


async def test_no_line_of_the_log_holds_what_was_planted(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = await house.client("admin")
    nurse = await house.client("practitioner", "Practitioner/nurse")
    value = {**observation("o1", "ann")["valueQuantity"], "value": 87.31}
    with capture_logs() as lines:
        assert (await put(admin, PLANTED)).status_code == 200
        await put(admin, observation("o1", "ann", valueQuantity=value))
        for client in (admin, nurse, house.stranger("Quillwater")):
            for url in (
                "Patient?name=Quillwater&identifier=urn:mrn|4711-0815",
                "Patient?family=Zyxanthe&address=Elmgrove",
                "Patient?nonsense=Quillwater",
                "Patient/Quillwater",
                "Observation?value-quantity=87.31",
                "Nothing/Zyxanthe",
                "Patient/ann/$everything",
                "Patient/ann/_history",
                "Quillwater",
            ):
                await client.get(url)
            bad = {**PLANTED, "birthDate": "Quillwater", "gender": "Zyxanthe"}
            await put(client, bad)
            await client.post("Patient", content="{Quillwater", headers={"content-type": JSON})
            await client.post(
                "Patient/_search",
                content="name=Quillwater",
                headers={"content-type": "application/x-www-form-urlencoded"},
            )
            await client.request("PURGE", "Patient/Zyxanthe")
        await house.settle()
        assert await house.sealer().once() >= 1
    # The client of this test says itself what it asks for.
    ours = [str(one.__dict__) for one in caplog.records if one.name.partition(".")[0] not in CLIENT]
    written = str(lines) + str(ours) + "".join(capsys.readouterr())
    assert [one for one in NAMES if one in written] == []


async def test_what_fails_inside_is_logged_without_what_was_asked(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def failing(*_args: object, **_more: object) -> None:
        message = "Quillwater"
        raise ArithmeticError(message)

    admin = await house.client("admin")
    monkeypatch.setattr(house.record._searches, "page", failing)
    with capture_logs() as lines:
        answer = await admin.get("Patient?name=Zyxanthe")
    assert answer.status_code == 500
    ours = [str(one.__dict__) for one in caplog.records if one.name.partition(".")[0] not in CLIENT]
    written = str(lines) + str(ours) + "".join(capsys.readouterr()) + answer.text
    assert [one for one in NAMES if one in written] == []
    assert lines, "the operator is told"
    (event,) = await house.events(outcome="8")
    assert event["outcomeDesc"] == "500"
