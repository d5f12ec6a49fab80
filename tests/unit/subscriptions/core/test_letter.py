"""What an e-mail may be asked for, and where it may go."""

import pytest

from subscriptions.core.letter import attachment_of, letter_fault, mailbox_of


@pytest.mark.parametrize(
    ("endpoint", "mailbox"),
    [
        ("mailto:ehr@example.org", "ehr@example.org"),
        ("MAILTO:Alerts.Team+fhir@mail.example.org", "Alerts.Team+fhir@mail.example.org"),
        ("mailto:a%2Bb@example.org", "a+b@example.org"),
    ],
)
def test_mailboxes(endpoint: str, mailbox: str) -> None:
    assert mailbox_of(endpoint) == mailbox


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "",
        "ehr@example.org",
        "mailto:",
        "mailto:ehr",
        "mailto:ehr@localhost",
        "mailto:ehr@127.0.0.1",
        "mailto:ehr@[127.0.0.1]",
        "mailto:a@example.org,b@example.org",
        "mailto:a@example.org?cc=b@example.org",
        "mailto:a@example.org%0d%0aBcc:b@example.org",
        "mailto:a b@example.org",
        'mailto:"a"@example.org',
        "mailto:<a@example.org>",
        "mailto:\u00fc@example.org",
        "mailto:a@" + "x" * 250 + ".org",
        "https://example.org/",
    ],
)
def test_what_is_no_mailbox(endpoint: str | None) -> None:
    assert mailbox_of(endpoint) is None


@pytest.mark.parametrize(
    ("payload", "attached"),
    [
        ("text/plain", None),
        ("text/plain; charset=utf-8", None),
        ("text/plain;attach=application/fhir+json", "application/fhir+json"),
        ("text/plain; attach=application/fhir+xml; fhirVersion=4.0", "application/fhir+xml"),
        (
            'text/plain; attach="application/fhir+json; fhirVersion=4.0"',
            "application/fhir+json; fhirVersion=4.0",
        ),
    ],
)
def test_letters(payload: str, attached: str | None) -> None:
    assert letter_fault(payload) is None
    assert attachment_of(payload) == attached


@pytest.mark.parametrize(
    "payload",
    [
        "application/fhir+json",
        "text/html",
        "text/plain;attach=application/pdf",
        "text/plain;attach=application/fhir+json;fhirVersion=5.0",
        'text/plain;attach="application/fhir+json; fhirVersion=5.0"',
    ],
)
def test_no_letters(payload: str) -> None:
    assert letter_fault(payload) is not None
