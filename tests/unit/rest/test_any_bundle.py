"""No Bundle of any shape gets a 5xx, as a whole or in an entry."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.rest import application
from tests.unit.rest.asgi_call import Answered, call
from tests.unit.rest.conftest import Server, filled

junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)
links = st.sampled_from(["urn:uuid:1", "urn:uuid:2", "Patient/ann", "Patient?_id=ann", "x"])
urls = st.one_of(
    st.sampled_from(
        ["", "/", "Patient", "Patient/ann", "Patient/made", "Patient?_id=ann", "Patient?gender=male",
         "Patient?", "Observation", "Observation/o", "Patient/ann/_history", "_history?_count=1",
         "metadata", "$issue-token", "Patient/$validate", "Patient/_search", "Group/x/y/z", "?",
         "http://test/fhir/Patient/ann", "Patient/ann?x=1", "Patient?nonsense=1", "Patient?%zz"]
    ),
    st.text(max_size=8),
)  # fmt: skip
patients = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Patient", "Group", "Nothing"])},
    optional={
        "id": st.sampled_from(["ann", "made", "ä"]),
        "active": st.booleans() | junk,
        "managingOrganization": st.builds(lambda link: {"reference": link}, links),
    },
)
observations = st.builds(
    lambda link, id_: {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": link},
    },
    links,
    st.sampled_from(["o", "p"]),
)
patches = st.builds(
    lambda kind, path: {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": kind},
                    {"name": "path", "valueString": path},
                    {"name": "value", "valueCode": "other"},
                ],
            }
        ],
    },
    st.sampled_from(["add", "replace", "delete", "insert", "move"]),
    st.sampled_from(["Patient.gender", "Patient", "Patient.name[0]", "1", "Patient.("]),
)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW"]),
        "url": urls,
    },
    optional={
        "ifMatch": st.sampled_from(['W/"1"', "*", ""]),
        "ifNoneMatch": st.sampled_from(['W/"1"', "*", "x"]),
        "ifNoneExist": st.sampled_from(["_id=ann", "gender=female", "", "nonsense=1"]),
        "ifModifiedSince": st.text(max_size=5),
    },
)
entries = st.one_of(
    st.fixed_dictionaries(
        {"request": requests},
        optional={
            "resource": st.one_of(patients, observations, patches, junk),
            "fullUrl": links | junk,
        },
    ),
    junk,
)
bundles = st.fixed_dictionaries(
    {
        "resourceType": st.just("Bundle"),
        "type": st.sampled_from(["batch", "transaction", "transaction", "collection"]),
    },
    optional={"entry": st.lists(entries, max_size=4) | junk},
)


async def ask(body: bytes, who: bytes, prefer: bytes) -> Answered:
    headers = [
        (b"authorization", b"Bearer " + who),
        (b"content-type", b"application/fhir+json"),
        (b"prefer", prefer),
    ]
    app = application(filled(Server()).services())
    return await call(app, "POST", "", headers=headers, body=body)


@settings(max_examples=200, deadline=None)
@given(
    bundle=bundles,
    who=st.sampled_from([b"admin", b"nurse", b"device"]),
    prefer=st.sampled_from([b"", b"return=representation", b"return=OperationOutcome"]),
)
def test_every_bundle_is_answered(bundle: Any, who: bytes, prefer: bytes) -> None:
    answered = asyncio.run(ask(json.dumps(bundle).encode(), who, prefer))

    assert 200 <= answered.status < 500, answered
    told = json.loads(answered.body)
    if answered.status >= 400:
        assert told["resourceType"] == "OperationOutcome"
    else:
        assert len(told.get("entry", [])) == len(bundle.get("entry", []))
        statuses = [one["response"]["status"] for one in told.get("entry", [])]
        assert not [one for one in statuses if one.startswith("5")], told
