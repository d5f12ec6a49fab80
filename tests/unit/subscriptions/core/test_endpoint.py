"""Endpoints and headers that are refused when a Subscription is made, and those that are not."""

from ipaddress import ip_network

import pytest

from subscriptions.core.address import refusal
from subscriptions.core.endpoint import (
    EndpointPolicy,
    endpoint_fault,
    header_faults,
    header_pairs,
)

STRICT = EndpointPolicy(allow_insecure=False)
LAX = EndpointPolicy(allow_insecure=True)
HOUSE = EndpointPolicy(
    allow_insecure=False, networks=(ip_network("10.20.0.0/16"), ip_network("fd00:1::/32"))
)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://ehr.example.org",
        "https://ehr.example.org/hook?team=a%20b",
        "https://ehr.example.org:8443/hook",
        "https://93.184.216.34/hook",
        "https://[2606:4700::1111]/hook",
        "https://xn--bcher-kva.example/",
    ],
)
def test_endpoints_of_the_internet(endpoint: str) -> None:
    assert endpoint_fault(endpoint, STRICT) is None


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "",
        "ehr.example.org",
        "mailto:a@example.org",
        "ftp://ehr.example.org/",
        "http://ehr.example.org/",
        "https://",
        "https:///hook",
        "https://ehr.example.org:0/",
        "https://ehr.example.org:99999/",
        "https://ehr.example.org:22/",
        "https://ehr.example.org:25/",
        "https://user@ehr.example.org/",
        "https://user:secret@ehr.example.org/",
        "https://ehr.example.org/#part",
        "https://ehr.example.org/a b",
        "https://ehr.example.org/\r\nX-A: b",
        "https://ehr.example.org\\@10.0.0.1/",
        "https://b\u00fccher.example/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://a.localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://10.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://168.63.129.16/",
        "https://100.64.0.1/",
        "https://ehr.example.org/" + "x" * 2048,
    ],
)
def test_endpoints_that_cannot_be_called(endpoint: str | None) -> None:
    assert endpoint_fault(endpoint, STRICT) is not None


@pytest.mark.parametrize("endpoint", ["http://localhost:8000/hook", "http://127.0.0.1:22/"])
def test_development_may_call_anything(endpoint: str) -> None:
    assert endpoint_fault(endpoint, LAX) is None


@pytest.mark.parametrize(
    ("endpoint", "opened"),
    [
        ("https://10.20.1.2/", True),
        ("https://[fd00:1::9]/", True),
        ("https://10.21.1.2/", False),
        ("https://[fd00:2::9]/", False),
        ("http://10.20.1.2/", False),
        ("https://[::ffff:10.20.1.2]/", False),
    ],
)
def test_networks_the_operator_opened(endpoint: str, opened: bool) -> None:
    assert (endpoint_fault(endpoint, HOUSE) is None) is opened


@pytest.mark.parametrize(
    "address",
    ["168.63.129.16", "192.88.99.1", "3fff::1", "4000::1", "5f00::1", "fe80::1", "fd00:ec2::254"],
)
def test_special_addresses(address: str) -> None:
    assert refusal(address) is not None


def test_headers_without_faults() -> None:
    lines = ("Authorization: Bearer x", "X-Empty:", "X-Tab:\ta", "x-a: 1", "x-a: 2")
    assert list(header_faults(lines)) == []
    assert header_pairs(lines) == [
        ("Authorization", "Bearer x"),
        ("X-Empty", ""),
        ("X-Tab", "a"),
        ("x-a", "1"),
        ("x-a", "2"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": value",
        "Na me: value",
        "X-A: b\r\nX-C: d",
        "X-A: \u00fc",
        "X-A: b\x00",
        "Host: other.example.org",
        "CONTENT-TYPE: text/plain",
        "content-length: 0",
        "Transfer-Encoding: chunked",
        "Proxy-Authorization: x",
        "webhook-signature: v1,x",
        "X-Hub-Signature-256: sha256=x",
        "X-A: " + "x" * 8192,
    ],
)
def test_headers_with_faults(line: str) -> None:
    assert len(list(header_faults([line]))) == 1
