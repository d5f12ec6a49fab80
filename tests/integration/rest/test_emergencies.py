"""Help before relationship: an emergency opens the record, is told, ends and is reviewed."""

from datetime import timedelta
from uuid import UUID

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.store.relationships import epoch
from fhirserver.validation import validate
from tests.integration.rest.relationships import (
    Clinic,
    call,
    listed,
    said,
    sees,
    until_not,
    until_sees,
)


async def test_an_emergency_opens_the_record_tells_everybody_and_is_reviewed(
    clinic: Clinic,
) -> None:
    omar = await clinic.nurse("omar")
    assert not await sees(omar, "Condition/ckd-ann")
    answer = said(await call(omar, "Patient/ann/$break-glass", reason="found on the street"))
    await until_sees(omar, "Condition/ckd-ann")
    assert not await sees(omar, "Condition/ckd-kim")
    again = said(await call(omar, "Patient/ann/$break-glass", reason="still here"))
    assert again == answer

    told = (await clinic.admin.get("Communication?subject=Patient/ann")).json()["entry"]
    (notice,) = [one["resource"] for one in told]
    assert {one["reference"] for one in notice["recipient"]} == {
        "Patient/ann",
        "Practitioner/olga",
        "Practitioner/nina",
        "RelatedPerson/bob",
    }
    await until_sees(await clinic.ann(), f"Communication/{notice['id']}")
    task = (await clinic.admin.get(answer["review"])).json()
    assert task["status"] == "requested"
    assert task["code"]["coding"][0]["code"] == "operator"
    assert task["reasonCode"]["coding"][0]["code"] == "access-review"
    (proof,) = (await clinic.admin.get("Provenance?target=Patient/ann")).json()["entry"]
    for resource in (notice, task, proof["resource"]):
        assert not [one for one in validate(resource) if one.severity in ("error", "fatal")]

    (access,) = listed(await clinic.admin.get("$emergency-accesses"))
    assert (access["practitioner"], access["patient"]) == ("Practitioner/omar", "Patient/ann")
    assert access["reason"] == "found on the street"
    done = await call(
        clinic.admin, "$review-emergency-access", id=answer["id"], verdict="justified", note="yes"
    )
    assert done.status_code == 204
    assert listed(await clinic.admin.get("$emergency-accesses")) == []
    (access,) = listed(await clinic.admin.get("$emergency-accesses?state=reviewed"))
    assert (access["verdict"], access["note"]) == ("justified", "yes")
    assert (await clinic.admin.get(answer["review"])).json()["status"] == "completed"
    twice = await call(
        clinic.admin, "$review-emergency-access", id=answer["id"], verdict="justified"
    )
    assert twice.status_code == 409

    assert (await call(omar, "Patient/ann/$end-break-glass")).status_code == 204
    await until_not(omar, "Condition/ckd-ann")


async def test_an_emergency_is_for_practitioners_with_a_reason(clinic: Clinic) -> None:
    omar, joe = await clinic.nurse("omar"), await clinic.who("patient", "Patient/joe")
    refused = await call(joe, "Patient/ann/$break-glass", reason="curious")
    assert refused.status_code == 403
    assert (await call(omar, "Patient/ann/$break-glass")).status_code == 400
    assert (await call(omar, "Patient/ann/$break-glass", reason="  ")).status_code == 400
    assert (await call(omar, "Patient/nobody/$break-glass", reason="help")).status_code == 404
    assert (await call(omar, "Patient/ann/$end-break-glass")).status_code == 404
    for url in ("$emergency-accesses", "$emergency-accesses?state=all"):
        assert (await omar.get(url)).status_code == 403
    assert not await sees(omar, "Condition/ckd-ann")


async def test_an_emergency_is_over_after_four_hours(clinic: Clinic) -> None:
    omar = await clinic.nurse("omar")
    said(await call(omar, "Patient/ann/$break-glass", reason="help"))
    await until_sees(omar, "Condition/ckd-ann")
    async with clinic.record.transaction(clinic.tenant) as tx:
        await tx.execute(
            "UPDATE emergency_access SET expires = started + interval '1 millisecond' WHERE tenant = %s",
            (clinic.tenant,),
        )
        # Its end was known from the beginning; an earlier one has to be told.
        await epoch.move(tx)
    await until_not(omar, "Condition/ckd-ann")


async def test_nobody_reviews_their_own_emergency(clinic: Clinic) -> None:
    """Not under another name of the same human either, as far as the record or an account knows it."""
    await clinic.store(
        {
            "resourceType": "Person",
            "id": "omar",
            "active": True,
            "link": [
                {"target": {"reference": "Practitioner/omar"}},
                {"target": {"reference": "RelatedPerson/omar"}},
            ],
        }
    )
    omar = await clinic.nurse("omar")
    opened = said(await call(omar, "Patient/ann/$break-glass", reason="found on the street"))
    account = "0190b7a6-0000-7000-8000-000000000001"
    async with clinic.record.transaction(clinic.tenant) as tx:
        await tx.execute(
            "INSERT INTO account_role (tenant, account, kind, reference, since) "
            "VALUES (%s, %s, 'practitioner', 'Practitioner/omar', %s)",
            (tx.tenant, UUID(account), tx.now),
        )
    by_account = "token-of-an-account-that-administers"
    async with clinic.record.transaction(clinic.tenant) as tx:
        await tx.execute(
            "INSERT INTO access_token (digest, tenant, kind, reference, account, issued, expires) "
            "VALUES (%s, %s, 'admin', '', %s, %s, %s)",
            (secret_digest(by_account), tx.tenant, account, tx.now, tx.now + timedelta(hours=1)),
        )
    themselves = [
        await clinic.who("admin", "Practitioner/omar"),
        await clinic.who("admin", "RelatedPerson/omar"),
        clinic.bearing(by_account),
    ]
    review = {"id": opened["id"], "verdict": "justified"}

    for one in themselves:
        refused = await call(one, "$review-emergency-access", **review)
        assert refused.status_code == 403, refused.text

    another = await clinic.who("admin", "Practitioner/olga")
    assert (await call(another, "$review-emergency-access", **review)).status_code == 204


async def test_the_task_of_a_review_is_not_ticked_off_by_hand(clinic: Clinic) -> None:
    omar = await clinic.nurse("omar")
    opened = said(await call(omar, "Patient/ann/$break-glass", reason="found on the street"))
    await until_sees(omar, opened["review"])

    for client in (omar, clinic.admin):
        answer = await client.patch(
            opened["review"],
            json=[{"op": "replace", "path": "/status", "value": "completed"}],
            headers={"content-type": "application/json-patch+json"},
        )
        assert answer.status_code == 403, answer.text
    noted = [{"op": "add", "path": "/note", "value": [{"text": "was called at eight"}]}]
    answer = await omar.patch(
        opened["review"], json=noted, headers={"content-type": "application/json-patch+json"}
    )
    assert answer.status_code == 200, answer.text
    assert (await clinic.admin.get(opened["review"])).json()["status"] == "requested"
