"""Requests that have killed FHIR servers, or could: what is too deep, too large, broken or a bomb.

Each is answered with a refusal within a second, by the application over a record in memory and by
the one over PostgreSQL. What a fuzzer finds is added here, so that it stays found.
"""

import gzip
import json
from dataclasses import dataclass, field
from typing import Final

JSON: Final = b"application/fhir+json"
XML: Final = b"application/fhir+xml"
FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True)
class BadRequest:
    """One request below /fhir and the statuses that are a right answer to it."""

    name: str
    method: str
    path: str
    expected: tuple[int, ...]
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = field(default=b"", repr=False)


def _create(name: str, body: bytes, *expected: int, media_type: bytes = JSON) -> BadRequest:
    return BadRequest(
        name,
        "POST",
        "Patient",
        expected or (400,),
        headers=((b"content-type", media_type),),
        body=body,
    )


def _packed(name: str, body: bytes, *expected: int) -> BadRequest:
    headers = ((b"content-type", JSON), (b"content-encoding", b"gzip"))
    return BadRequest(name, "POST", "Patient", expected, headers=headers, body=body)


def _get(name: str, path: str, query: bytes, *expected: int) -> BadRequest:
    return BadRequest(name, "GET", path, expected or (400,), query=query)


def _header(name: str, header: bytes, value: bytes, *expected: int) -> BadRequest:
    return BadRequest(name, "GET", "Patient/ann", expected, headers=((header, value),))


def _patient(inside: bytes) -> bytes:
    return b'{"resourceType":"Patient",' + inside + b"}"


def _xml(inside: bytes) -> bytes:
    return b'<Patient xmlns="http://hl7.org/fhir">' + inside + b"</Patient>"


_LAUGHS: Final = (
    b'<!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]>"
)

_JSON: Final = (
    _create("empty body", b""),
    _create("not JSON", b"hello"),
    _create("array", b"[]"),
    _create("null", b"null"),
    _create("deep arrays", b'{"resourceType":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    _create("deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    _create("unclosed arrays", b"[" * 4_000_000),
    _create("unclosed objects", b'{"a":' * 800_000),
    _create("deep extensions", _patient(b'"extension":[{"url":"u","extension":[' * 500), 400),
    _create("duplicate keys", _patient(b'"gender":"male","gender":"female"')),
    _create("duplicate type", b'{"resourceType":"Patient","resourceType":"Group"}'),
    _create("NaN", _patient(b'"multipleBirthInteger":NaN')),
    _create("Infinity", _patient(b'"multipleBirthInteger":-Infinity')),
    _create("huge exponent", _patient(b'"multipleBirthInteger":1e999999999')),
    _create("beyond Decimal", _patient(b'"multipleBirthInteger":1e9999999999999999999999')),
    _create("tiny exponent", _patient(b'"multipleBirthInteger":1e-999999')),
    _create("endless fraction", _patient(b'"multipleBirthInteger":0.' + b"3" * 1_000_000)),
    _create("endless integer", _patient(b'"multipleBirthInteger":' + b"9" * 1_000_000)),
    _create("4000 digits", _patient(b'"multipleBirthInteger":' + b"9" * 4000), 400, 422),
    _create("invalid UTF-8", _patient(b'"gender":"\xff\xfe"')),
    _create("overlong UTF-8", _patient(b'"gender":"\xc0\xaf"')),
    _create("lone surrogate", _patient(b'"gender":"\\ud800"')),
    _create("lone surrogate key", _patient(b'"\\udfff":1')),
    _create("byte order mark", b"\xef\xbb\xbf" + _patient(b'"gender":"male"')),
    _create("UTF-16", _patient(b'"gender":"male"').decode().encode("utf-16")),
    _create("trailing data", _patient(b'"gender":"male"') + b"{}"),
    _create("control character", _patient(b'"gender":"\x00"')),
    _create("escaped NUL", _patient(b'"gender":"\\u0000"'), 422),
    _create("NUL in a string", _patient(b'"name":[{"family":"\\u0000"}]'), 422),
    _create("NUL in a reference", _patient(b'"managingOrganization":{"reference":"Organization/\\u0000"}'), 422),
    _create("type is a number", b'{"resourceType":1}', 400, 422),
    _create("type is a list", b'{"resourceType":["Patient"]}', 400, 422),
    _create("type is an object", b'{"resourceType":{"a":1}}', 400, 422),
    _create("no type", b"{}", 400, 422),
    _create("meta is text", _patient(b'"meta":"x"'), 422),
    _create("meta.tag is text", _patient(b'"meta":{"tag":"x"}'), 422),
    _create("contained is text", _patient(b'"contained":["x"]'), 422),
    _create("contained null", _patient(b'"contained":[null]'), 422),
    _create("null everywhere", _patient(b'"name":null,"gender":null,"meta":null'), 422),
    _create("empty parts", _patient(b'"name":[{}],"telecom":[]'), 422),
    _create("20 000 unknown keys", _patient(b",".join(b'"k%d":1' % n for n in range(20_000))), 422),
    _create("many errors", _patient(b'"name":[' + b",".join([b'{"x":1}'] * 50_000) + b"]"), 422),
    _create("huge key", _patient(b'"' + b"k" * 1_000_000 + b'":1'), 422),
    BadRequest("regex bait in an id", "PUT", "Patient/x", (400, 422), b"",
               ((b"content-type", JSON),), _patient(b'"id":"' + b"a" * 100_000 + b'!"')),
    _create("regex bait in a date", _patient(b'"birthDate":"' + b"1" * 100_000 + b'"'), 422),
    _create("regex bait in base64", _patient(b'"photo":[{"data":"' + b"AAAA " * 50_000 + b'!"}]'), 422),
    _create("regex bait in a uri", _patient(b'"implicitRules":"' + b" " * 200_000 + b'x"'), 422),
    _create("a narrative that is a bomb", _patient(
        b'"text":{"status":"generated","div":' + json.dumps(_LAUGHS.decode() + "<div>&j;</div>").encode() + b"}"), 422),
    _create("a narrative too deep", _patient(
        b'"text":{"status":"generated","div":"' + b"<b>" * 100_000 + b'"}'), 422),
    _create("beyond the bound", b" " * (5 * 1024 * 1024 + 1), 413),
)  # fmt: skip

_XML: Final = tuple(
    _create("XML: " + name, body, 400, 422, media_type=XML)
    for name, body in (
        ("empty", b""),
        ("JSON", b"{}"),
        ("billion laughs", _LAUGHS + _xml(b'<id value="&j;"/>')),
        ("quadratic blowup", b'<!DOCTYPE l [<!ENTITY a "' + b"a" * 100_000 + b'">]>' + _xml(b"&a;" * 10_000)),
        ("external entity", b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + _xml(b'<id value="&x;"/>')),
        ("external DTD", b'<!DOCTYPE Patient SYSTEM "http://localhost:1/x.dtd">' + _xml(b"")),
        ("parameter entity", b'<!DOCTYPE l [<!ENTITY % p SYSTEM "http://localhost:1/x">%p;]>' + _xml(b"")),
        ("undeclared entity", _xml(b'<id value="&x;"/>')),
        ("XInclude", _xml(b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>')),
        ("stylesheet", b'<?xml-stylesheet href="http://localhost:1/x"?>' + _xml(b"<nonsense/>")),
        ("deep", _xml(b"<extension>" * 100_000)),
        ("deep and closed", _xml(b"<extension>" * 1000 + b"</extension>" * 1000)),
        ("many attributes", _xml(b"<id " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>")),
        ("wide attributes", _xml(b"<id " + b" ".join(b"a%d =\n'1'" % n for n in range(50_000)) + b"/>")),
        ("many namespaces", _xml(b"<id " + b" ".join(b'xmlns:a%d="u"' % n for n in range(50_000)) + b"/>")),
        ("other encoding", b'<?xml version="1.0" encoding="UTF-7"?>' + _xml(b"")),
        ("UTF-16", _xml(b"").decode().encode("utf-16")),
        ("invalid UTF-8", _xml(b'<id value="\xff"/>')),
        ("NUL", _xml(b'<id value="\x00"/>')),
        ("huge attribute", _xml(b'<gender value="' + b"a" * 4_000_000 + b'"/>')),
        ("another namespace", b'<Patient xmlns="urn:x"/>'),
        ("no namespace", b"<Patient/>"),
        ("absurd number", _xml(b'<extension url="u"><valueDecimal value="1e999999"/></extension>')),
    )
)  # fmt: skip

_GZIP: Final = (
    _packed("gzip bomb", gzip.compress(b"0" * 200_000_000), 413),
    _packed("gzip of a gzip bomb", gzip.compress(gzip.compress(b"0" * 50_000_000)), 400),
    _packed("no gzip", b"{}", 400),
    _packed("broken gzip", gzip.compress(b"{}" * 100)[:-9], 400),
    _packed("gzip with more behind", gzip.compress(b"{}") + b"{}", 400),
    _packed("empty gzip", b"", 400),
)

_QUERIES: Final = (
    _get("broken escape", "Patient", b"name=%zz"),
    _get("broken escape at the end", "Patient", b"name=%"),
    _get("invalid UTF-8 in a query", "Patient", b"name=%ff%fe"),
    _get("overlong UTF-8 in a query", "Patient", b"name=%c0%af"),
    _get("NUL in a query", "Patient", b"_id=%00"),
    _get("NUL in a name", "Patient", b"na%00me=x"),
    _get("2000 pairs", "Patient", b"&".join([b"_id=ann"] * 2000)),
    _get("100 000 pairs", "Patient", b"&" * 100_000 + b"a=b", 400, 413),
    _get("a query without end", "Patient", b"_id=" + b"a" * 1_000_000, 413),
    _get("10 000 values", "Patient", b"_id=" + b",".join(b"a%d" % n for n in range(10_000)), 400, 422),
    _get("10 000 tokens", "Patient", b"gender=" + b",".join([b"male"] * 10_000), 400, 422),
    _get("an unknown parameter", "Patient", b"nmae=x"),
    _get("an unknown modifier", "Patient", b"name:exakt=x"),
    _get("colons", "Patient", b":::=::"),
    _get("absurd count", "Patient", b"_count=99999999999999999999999999999999"),
    _get("negative count", "Patient", b"_count=-1"),
    _get("absurd number", "Observation", b"value-quantity=1e999999999"),
    _get("absurd precision", "Observation", b"value-quantity=" + b"9" * 2000),
    _get("no number", "Observation", b"value-quantity=NaN"),
    _get("absurd date", "Observation", b"date=ge99999-99-99"),
    _get("year 0", "Observation", b"date=0000-01-01"),
    _get("absurd offset", "Observation", b"date=2026-01-01T00:00:00%2B99:99"),
    _get("forged cursor", "Patient", b"_cursor=AAAA"),
    _get("cursor of nothing", "Patient", b"_cursor="),
    _get("huge cursor", "Patient", b"_cursor=" + b"A" * 100_000),
    _get("sorting by nothing", "Patient", b"_sort=nothing"),
    _get("sorting by 1000 things", "Patient", b"_sort=" + b",".join([b"name"] * 1000)),
    _get("a chain without end", "Observation", b"subject" + b".link" * 10_000 + b"=x"),
    _get("_has without end", "Patient", b"_has:Observation:patient:" * 2000 + b"code=x"),
    _get("_filter without end", "Patient", b"_filter=" + b"(" * 50_000),
    _get("_filter of nonsense", "Patient", b"_filter=%22"),
    _get("_include of nonsense", "Patient", b"_include=:::"),
    _get("_elements of nonsense", "Patient", b"_elements=."),
    _get("_summary of nonsense", "Patient", b"_summary=maybe"),
    _get("_total of nonsense", "Patient", b"_total=maybe"),
    _get("_pretty of nonsense", "Patient", b"_pretty=maybe"),
    _get("_format of nonsense", "Patient", b"_format=nonsense", 406),
    _get("regex bait", "Patient", b"name=" + b"(a%2B)%2B" * 5000 + b"!"),
    _get("history of the future", "Patient/ann/_history", b"_since=99999"),
    _get("history count", "Patient/ann/_history", b"_count=0"),
    _get("history cursor", "Patient/ann/_history", b"_cursor=%F0%9F%92%A9", 400, 404),
    _get("mode of nonsense", "metadata", b"mode=x"),
)  # fmt: skip

_PATHS: Final = (
    _get("an id that is none", "Patient/" + "a" * 65, b"", 404),
    _get("an id without end", "Patient/" + "a" * 100_000, b"", 404),
    _get("an id with a NUL", "Patient/\0", b"", 404),
    _get("an id with a surrogate", "Patient/\udc80", b"", 404),
    _get("an id with an emoji", "Patient/\U0001f4a9", b"", 404),
    _get("a version that is none", "Patient/ann/_history/0", b"", 404),
    _get("a version without end", "Patient/ann/_history/" + "9" * 100_000, b"", 404),
    _get("a version in other digits", "Patient/ann/_history/\u0661", b"", 404),
    _get("no such type", "Nothing/x", b"", 404),
    _get("an abstract type", "DomainResource/x", b"", 404),
    _get("dots", "Patient/../metadata", b"", 404),
    _get("slashes", "Patient//////", b"", 404),
    _get("1000 segments", "a/" * 1000, b"", 404),
    _get("no such operation", "$nothing", b"", 404),
    BadRequest("PUT with a bad id", "PUT", "Patient/" + "ä" * 10, (400, 404), b"",
               ((b"content-type", JSON),), b'{"resourceType":"Patient","id":"\xc3\xa4"}'),
    BadRequest("a method nobody knows", "BREW", "Patient/ann", (405,)),
    BadRequest("TRACE", "TRACE", "Patient/ann", (405,)),
    BadRequest("POST to an instance", "POST", "Patient/ann", (404, 405)),
    BadRequest("POST to metadata", "POST", "metadata", (405,)),
    BadRequest("a form that is JSON", "POST", "Patient/_search", (400,), b"",
               ((b"content-type", FORM),), b'{"a":1}'),
    BadRequest("a form without end", "POST", "Patient/_search", (400, 413), b"",
               ((b"content-type", FORM),), b"a=b&" * 1_000_000),
    BadRequest("a search as JSON", "POST", "Patient/_search", (415,), b"",
               ((b"content-type", JSON),), b"{}"),
)  # fmt: skip

_HEADERS: Final = (
    _header("Accept without end", b"accept", b"a/b," * 10_000, 406),
    _header("Accept of nonsense", b"accept", b"\xff\xfe;q=\x00", 406),
    _header("headers without end", b"x-filler", b"a" * 200_000, 413),
    _header("a token without end", b"authorization", b"Bearer " + b"a" * 50_000, 401),
    _header("If-None-Match of nonsense", b"if-none-match", b"\xff" * 100, 200),
    _header("If-Modified-Since of nonsense", b"if-modified-since", b"99 Foo 99999 99:99:99 X", 200),
    _header("If-Modified-Since out of range", b"if-modified-since",
            b"Fri, 31 Dec 9999 23:59:59 -2359", 200, 304),
    BadRequest("If-Match of nonsense", "PUT", "Patient/ann", (400, 412), b"",
               ((b"content-type", JSON), (b"if-match", b"W/nonsense")),
               b'{"resourceType":"Patient","id":"ann"}'),
    BadRequest("a length beyond all", "POST", "Patient", (413,), b"",
               ((b"content-type", JSON), (b"content-length", b"9" * 5000)), b"{}"),
    BadRequest("a charset of nonsense", "POST", "Patient", (415,), b"",
               ((b"content-type", JSON + b"; charset=utf-7"),), b"{}"),
    BadRequest("no content type", "POST", "Patient", (415,), body=b"{}"),
    BadRequest("a packing nobody knows", "POST", "Patient", (415,), b"",
               ((b"content-type", JSON), (b"content-encoding", b"zstd")), b"{}"),
    BadRequest("Prefer of nonsense", "DELETE", "Patient/nobody-at-all", (200, 204, 400), b"",
               ((b"prefer", b"return=;handling==,,,\xff"),)),
)  # fmt: skip

BAD_REQUESTS: Final = (*_JSON, *_XML, *_GZIP, *_QUERIES, *_PATHS, *_HEADERS)
