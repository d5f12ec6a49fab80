"""Which channels a process has, and how one of somebody else's joins."""

from collections.abc import Iterator
from typing import Any

import pytest

from fhirserver.kernel.errors import Problem
from subscriptions.channels.channel import Failure, Parcel
from subscriptions.channels.egress import Egress
from subscriptions.channels.email import MailServer
from subscriptions.channels.registry import BadChannel, Tools, by_code, custom, shipped
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.hl7v2.keep_alive import CODE as HL7V2

TOOLS = Tools(Egress(EndpointPolicy(allow_insecure=False)), "https://fhir.example.org/fhir")
SERVER = MailServer("mail.example.org", 587, "starttls", "a@example.org", "us", "hunter2")


class Pager:
    code = "https://pagers.example.org|pager"
    custom = True
    needs_handshake = False

    def faults(self, wishes: Any, policy: EndpointPolicy) -> Iterator[Problem]:
        yield from ()

    def written_as(self, payload: str | None) -> str | None:
        return payload

    async def deliver(self, parcel: Parcel) -> Failure | None:
        return None

    async def close(self) -> None:
        return


def pager(tools: Tools) -> Pager:
    assert tools is TOOLS
    return Pager()


def nothing(tools: Tools) -> object:
    return object()


def plain(tools: Tools) -> Pager:
    made = Pager()
    made.code = "rest-hook"
    return made


def test_the_channels_of_the_product() -> None:
    always = ["rest-hook", "message", HL7V2]
    assert [c.code for c in shipped(TOOLS, None)] == always
    assert [c.code for c in shipped(TOOLS, SERVER)] == [*always, "email"]
    assert [c.code for c in shipped(TOOLS, SERVER) if c.custom] == [HL7V2]


def test_a_channel_of_somebody_elses() -> None:
    (made,) = custom([f"{__name__}:pager"], TOOLS)
    assert list(by_code(shipped(TOOLS, None), [made])) == [
        "rest-hook",
        "message",
        HL7V2,
        made.code,
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_package.module:factory", "no_such_package"),
        (f"{__name__}:absent", "absent"),
        ("nonsense", "nonsense"),
        (f"{__name__}:nothing", "makes no channel"),
        (f"{__name__}:plain", "system|code"),
    ],
)
def test_what_is_wrong_with_one_is_said(path: str, reason: str) -> None:
    with pytest.raises(BadChannel) as refusal:
        custom([path], TOOLS)
    assert path in str(refusal.value)
    assert reason in str(refusal.value)


def test_two_of_one_code() -> None:
    with pytest.raises(BadChannel, match="two channels"):
        by_code([Pager()], [Pager()])


def test_the_password_of_the_mail_server_is_not_shown() -> None:
    assert "hunter2" not in repr(SERVER)
