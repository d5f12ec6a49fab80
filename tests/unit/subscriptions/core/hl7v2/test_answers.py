"""What answers mean, what header lines ask for, where messages may go, and what their ids say."""

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from fhirserver.kernel.canonical import TOPIC_ADMISSION, TOPIC_PATIENT_OBSERVATION
from fhirserver.wire.hl7v2.message import read
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.hl7v2.answer import answer_of, refused
from subscriptions.core.hl7v2.asked import Asked, Policy, asked, header_faults
from subscriptions.core.hl7v2.control_id import ControlId, read_control_id
from subscriptions.core.hl7v2.endpoint import as_url, mllp_fault
from subscriptions.core.hl7v2.moments import dtm

STRICT = EndpointPolicy(allow_insecure=False, networks=(ip_network("10.1.0.0/16"),))
ANYWHERE = EndpointPolicy(allow_insecure=True)


def verdict(
    code: str, *segments: str, on_error: Policy = "retry", on_reject: Policy = "retry"
) -> str:
    text = "\r".join(["MSH|^~\\&|A", f"MSA|{code}|m1|their words", *segments])
    answer = answer_of(read(text))
    assert answer is not None
    assert answer.control_id == "m1"
    found = refused(answer, Asked("ADT", {}, on_error, on_reject))
    assert found is None or "their words" not in found.reason
    return "taken" if found is None else found.verdict


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_taken(code: str) -> None:
    assert verdict(code, "ERR||PID^1|0^^HL70357|W", on_error="stop", on_reject="stop") == "taken"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("retry", "try-again"), ("set-aside", "never-this"), ("stop", "never-here")],
)
def test_a_refusal_means_what_the_owner_decided(policy: Policy, expected: str) -> None:
    for code in ("AE", "CE"):
        assert verdict(code, on_error=policy) == expected
        assert verdict(code, on_reject=policy) == "try-again"
    for code in ("AR", "CR"):
        assert verdict(code, on_reject=policy) == expected
        assert verdict(code, on_error=policy) == "try-again"


@pytest.mark.parametrize("fault", ["ERR||MSH^1|207^^HL70357|E", "ERR|MSH^1^^206&x&HL70357"])
def test_a_receiver_that_cannot_just_now_is_asked_again(fault: str) -> None:
    assert verdict("AE", fault, on_error="set-aside") == "try-again"
    assert verdict("AR", fault, on_reject="stop") == "try-again"


@pytest.mark.parametrize("text", ["MSH|^~\\&", "MSH|^~\\&\rMSA|", "MSH|^~\\&\rMSA|XX|m1"])
def test_what_is_no_answer(text: str) -> None:
    assert answer_of(read(text)) is None


def test_header_lines_are_read() -> None:
    lines = ("message: ADT", "msh-5:EHR", "MSH-6: A^1.2^ISO", "On-AE: set-aside", "on-ar: stop")
    assert list(header_faults(lines, TOPIC_ADMISSION)) == []
    assert asked(lines) == Asked("ADT", {5: "EHR", 6: "A^1.2^ISO"}, "set-aside", "stop")
    assert asked(("message: ADT",)) == Asked("ADT", {}, "retry", "retry")


@pytest.mark.parametrize(
    ("lines", "topic", "said"),
    [
        ((), TOPIC_ADMISSION, "message: "),
        (("message: ORU",), TOPIC_ADMISSION, "message: "),
        (("message: ORU^R40",), f"{TOPIC_PATIENT_OBSERVATION}|1.0.0", "told by ORU^R01"),
        (("message: ADT", "MSH-9: x"), TOPIC_ADMISSION, "unknown header 'msh-9'"),
        (("message: ADT", "MSH-5: a|b"), TOPIC_ADMISSION, "msh-5 is a name"),
        (("message: ADT", "MSH-5:"), TOPIC_ADMISSION, "msh-5 is a name"),
        (("message: ADT", "MSH-5: a\rZZZ"), TOPIC_ADMISSION, "msh-5 is a name"),
        (("message: ADT", "on-ae: never"), TOPIC_ADMISSION, "on-ae is one of"),
        (("message: ADT", "Message: ADT"), TOPIC_ADMISSION, "message stands twice"),
    ],
)
def test_header_lines_that_are_wrong(lines: tuple[str, ...], topic: str, said: str) -> None:
    (fault,) = header_faults(lines, topic)
    assert said in fault


def test_any_kind_may_be_asked_for_on_topics_of_others() -> None:
    for kind in ("ADT", "ORU^R01", "ORU^R40"):
        assert list(header_faults((f"message: {kind}",), "https://clinic.example/topic")) == []


@pytest.mark.parametrize("endpoint", ["mllps://ehr.example.org:2575", "mllps://10.1.2.3:6661"])
def test_where_messages_may_go(endpoint: str) -> None:
    assert mllp_fault(endpoint, STRICT) is None
    assert as_url(endpoint) == endpoint.replace("mllps", "https")


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "",
        "ehr.example.org:2575",
        "https://ehr.example.org:2575",
        "mllp://ehr.example.org:2575",
        "mllp://10.1.2.3:2575",
        "mllps://ehr.example.org",
        "mllps://ehr.example.org:2575/",
        "mllps://ehr.example.org:2575?x",
        "mllps://a:b@ehr.example.org:2575",
        "mllps://ehr.example.org:2575#x",
        "mllps://127.0.0.1:2575",
        "mllps://localhost:2575",
        "mllps://169.254.169.254:2575",
        "mllps://[::1]:2575",
        "mllps://ehr.example.org:22",
        "mllps://ehr.example.org:99999",
        "mllps://:2575",
    ],
)
def test_where_messages_may_not_go(endpoint: str | None) -> None:
    assert mllp_fault(endpoint, STRICT) is not None


def test_without_tls_only_where_everything_is_open() -> None:
    assert mllp_fault("mllp://127.0.0.1:2575", ANYWHERE) is None
    assert as_url("mllp://127.0.0.1:2575") == "http://127.0.0.1:2575"


@pytest.mark.parametrize(
    "subscription", ["s1", "018f6c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f", "a.7-9.b", "7"]
)
@pytest.mark.parametrize(("first", "last"), [(1, 1), (7, 12), (10**12, 10**12 + 1)])
def test_a_control_id_is_read_back(subscription: str, first: int, last: int) -> None:
    at = datetime(2026, 8, 1, 9, 30, 6, 250_000, UTC)
    made = ControlId(subscription, first, last, at)
    assert read_control_id(str(made)) == made
    assert len(str(made)) < 199


@pytest.mark.parametrize(
    "text", ["", "m-1", "s1.7", "s1.x.abc", "s1.7.ABC", "s1.7.zzzzzzzzzzzz", "s 1.7.a"]
)
def test_ids_of_others_are_not_ours(text: str) -> None:
    assert read_control_id(text) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026", "2026"),
        ("2026-08", "202608"),
        ("2026-08-01", "20260801"),
        ("2026-08-01T09:30:05Z", "20260801093005+0000"),
        ("2026-08-01T09:30:05.1234567-04:30", "20260801093005.1234-0430"),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_keep_their_precision_and_offset(text: str | None, written: str | None) -> None:
    assert dtm(text) == written
