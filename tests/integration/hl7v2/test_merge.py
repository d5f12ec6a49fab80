"""ADT^A40: two records of one patient."""

import pytest

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.resource import Json
from tests.integration.hl7v2.conftest import Engine

ANN = "PID|1||A^^^CLINIC^MR||Doe^Ann||19610402|F"
ANNE = "PID|1||B^^^CLINIC^MR||Doe^Anne||19610402|F"
CLINIC = "https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC"


async def two(engine: Engine) -> tuple[str, str]:
    """Two patients, A and B; return their ids."""
    await engine.send("20260801090000+0000|ADT^A28|1", ANN)
    await engine.send("20260801090000+0000|ADT^A28|2", ANNE)
    found = {one["identifier"][0]["value"]: one["id"] for one in await engine.all("Patient")}
    return found["A"], found["B"]


async def by_id(engine: Engine, patient: str) -> Json:
    return await engine.one("Patient", _id=patient)


def link(kind: str, other: str) -> list[Json]:
    return [{"other": {"reference": f"Patient/{other}"}, "type": kind}]


async def test_the_retired_record_ends_in_the_other_and_keeps_what_refers_to_it(
    engine: Engine,
) -> None:
    a, b = await two(engine)
    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": f"Patient/{a}"},
        "participant": [{"member": {"reference": "RelatedPerson/bob"}}],
    }
    await engine.put(team)
    await engine.send("20260801100000+0000|ADT^A40|3", ANNE, "MRG|A^^^CLINIC^MR")
    retired, survivor = await by_id(engine, a), await by_id(engine, b)
    assert (retired["active"], retired["link"]) == (False, link("replaced-by", b))
    assert survivor["link"] == link("replaces", a)
    assert "active" not in survivor
    assert (await engine.one("CareTeam"))["subject"] == {"reference": f"Patient/{a}"}
    told = (await engine.all("Provenance", patient=a))[-1]
    assert {one["reference"] for one in told["target"]} >= {f"Patient/{a}", f"Patient/{b}"}


async def test_who_asks_for_the_retired_number_means_the_survivor(engine: Engine) -> None:
    a, b = await two(engine)
    await engine.send("20260801100000+0000|ADT^A40|3", ANNE, "MRG|A^^^CLINIC^MR")
    before = await by_id(engine, a)
    await engine.send("20260801110000+0000|ADT^A08|4", ANN.replace("Ann|", "Anna|"))
    assert (await by_id(engine, b))["name"][0]["given"] == ["Anna"]
    assert await by_id(engine, a) == before
    assert len(await engine.all("Patient")) == 2


async def test_a_merge_told_again_changes_nothing_and_one_the_other_way_is_refused(
    engine: Engine,
) -> None:
    a, _b = await two(engine)
    merge = ("20260801100000+0000|ADT^A40|3", ANNE, "MRG|A^^^CLINIC^MR")
    await engine.send(*merge)
    assert (await engine.send(*merge)).stored == ()
    with pytest.raises(Conflict):
        await engine.send("20260801120000+0000|ADT^A40|4", ANN, "MRG|B^^^CLINIC^MR")
    await engine.send("20260801090000+0000|ADT^A28|5", ANN.replace("|A^", "|C^"))
    with pytest.raises(Conflict):
        await engine.send(
            "20260801130000+0000|ADT^A40|6", ANN.replace("|A^", "|C^"), "MRG|A^^^CLINIC^MR"
        )
    assert (await by_id(engine, a))["link"][0]["type"] == "replaced-by"


async def test_a_chain_of_merges_ends_at_its_last_record(engine: Engine) -> None:
    _a, b = await two(engine)
    await engine.send("20260801100000+0000|ADT^A40|3", ANNE, "MRG|A^^^CLINIC^MR")
    third = ANN.replace("|A^", "|C^")
    await engine.send("20260801110000+0000|ADT^A28|4", third)
    await engine.send("20260801120000+0000|ADT^A40|5", third, "MRG|B^^^CLINIC^MR")
    (c,) = [one["id"] for one in await engine.all("Patient", active="true")] or [
        one["id"] for one in await engine.all("Patient", identifier=f"{CLINIC}|C")
    ]
    assert (await by_id(engine, b))["link"] == [
        *link("replaces", _a),
        *link("replaced-by", c),
    ]
    await engine.send("20260801130000+0000|ADT^A08|6", ANN.replace("Ann|", "Nan|"))
    assert (await by_id(engine, c))["name"][0]["given"] == ["Nan"]


async def test_a_retired_number_nobody_has_becomes_a_former_one(engine: Engine) -> None:
    await engine.send("20260801100000+0000|ADT^A40|1", ANNE, "MRG|A^^^CLINIC^MR")
    survivor = await engine.one("Patient")
    assert {(one["value"], one.get("use")) for one in survivor["identifier"]} == {
        ("B", "usual"),
        ("A", "old"),
    }
    await engine.send("20260801110000+0000|ADT^A08|2", ANN)
    assert len(await engine.all("Patient")) == 1


async def test_a_record_cannot_end_in_itself(engine: Engine) -> None:
    await two(engine)
    with pytest.raises(Conflict):
        await engine.send("20260801100000+0000|ADT^A40|3", ANN, "MRG|A^^^CLINIC^MR")
