"""Answers of care partners and patients who are signed in: the Task they were given, and no other."""

import httpx

from fhirserver.kernel.resource import Json
from tests.integration.sessions.conftest import Home
from tests.integration.sessions.test_why import fallen


async def page_of(home: Home, owner: str) -> Json:
    """The Task by which `owner` is called."""
    tasks = await home.search("Task?status=requested&code=page")
    (mine,) = [
        one for one in tasks if one["owner"]["reference"] == owner and "groupIdentifier" in one
    ]
    return mine


async def answered(client: httpx.AsyncClient, task: Json, **changes: object) -> httpx.Response:
    return await client.put(f"Task/{task['id']}", json={**task, **changes})


async def test_the_partner_comes(home: Home) -> None:
    flag = await fallen(home)
    task = await page_of(home, "RelatedPerson/bob")
    assert (await answered(home.partner, task, status="accepted")).status_code == 200
    told = (await home.admin.get(f"Flag/{flag['id']}/$why")).text
    assert '"accepted"' in told


async def test_nobody_answers_for_somebody_else(home: Home) -> None:
    await fallen(home)
    task = await page_of(home, "RelatedPerson/bob")
    for client, status in ((home.patient, 403), (home.stranger, 404)):
        assert (await answered(client, task, status="completed")).status_code == status
    ours: Json = {**task, "owner": {"reference": "Patient/ann"}}
    assert (await answered(home.patient, ours, status="completed")).status_code == 403


async def test_an_answer_is_all_that_is_changed(home: Home) -> None:
    await fallen(home)
    task = await page_of(home, "RelatedPerson/bob")
    for change in (
        {"description": "it was nothing"},
        {"for": {"reference": "Patient/eve"}},
        {"priority": "routine"},
        {"code": {"text": "call the supplier"}},
    ):
        assert (await answered(home.partner, task, **change)).status_code in (403, 422)
    assert (await answered(home.partner, task, note=[{"text": "on my way"}])).status_code == 200


async def test_nobody_makes_or_removes_a_task(home: Home) -> None:
    await fallen(home)
    task = await page_of(home, "RelatedPerson/bob")
    new = {name: value for name, value in task.items() if name not in ("id", "meta")}
    assert (await home.partner.post("Task", json=new)).status_code == 403
    assert (await home.partner.put("Task/new", json={**new, "id": "new"})).status_code == 403
    assert (await home.partner.delete(f"Task/{task['id']}")).status_code == 403
