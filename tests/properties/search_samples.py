"""Random resources and random search requests that have a fair chance to meet."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from fhirserver.kernel.resource import Json

Pairs = list[tuple[str, str]]

_IDS = ("ann", "bob", "cy")
_SYSTEMS = ("http://loinc.org", "urn:x|y", "urn:z")
_CODES = ("a", "b", "a|b", "A", "8480-6")
_WORDS = ("Ann", "anna", "Müller", "MULLER", "Straße", "a,b", "Ann  Marie", "Å", "O'Neill", "\\x")
_LONG = ("Wolfeschlegelsteinhausen", "Wolfeschlegelsteiner", "wolfeschlegelste")
_URLS = ("http://example.org/p", "http://example.org/p|1", "http://example.org/p|2", "urn:q")
_DATES = (
    "2026",
    "2025",
    "2026-05",
    "2026-12",
    "2026-05-17",
    "2026-05-31",
    "2026-02-28",
    "2026-05-17T10:00:00Z",
    "2026-05-17T10:00:00.5Z",
    "2026-05-17T23:30:00-05:00",
    "2026-05-18T01:30:00+14:00",
    "2026-05-17T10:00:59.999Z",
    "1840-01-01",
    "1849",
    "1850",
    "1850-01",
    "2099-12-31",
    "2100",
    "9999",
    "0001",
)
_NUMBERS = ("5", "5.4", "5.40", "5.35", "5.45", "-5.4", "0", "100", "1e2", "110")
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
REFERENCES = (
    "Patient/ann",
    "Patient/bob",
    "Group/ann",
    "Device/ann",
    "Patient/ann/_history/3",
    "http://elsewhere.example/fhir/Patient/ann",
    "http://elsewhere.example/fhir/Group/ann",
    "http://elsewhere.example/what",
    "urn:uuid:0190a5a0-0000-7000-8000-000000000000",
    "#inside",
)


def _maybe(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object with the property, or without."""
    return st.one_of(st.just({}), values.map(lambda value: {name: value}))


def _objects(*parts: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """One object with the properties of all parts."""

    def merge(made: tuple[Json, ...]) -> Json:
        merged: Json = {}
        for part in made:
            merged |= part
        return merged

    return st.tuples(*parts).map(merge)


_dates = st.sampled_from(_DATES)
_full_dates = st.sampled_from([date for date in _DATES if "T" in date])
_day_dates = st.sampled_from([date for date in _DATES if "T" not in date])
_decimals = st.sampled_from(_NUMBERS).map(Decimal)
_texts = st.sampled_from((*_WORDS, *_LONG))
_lists_of = lambda values: st.lists(values, min_size=1, max_size=3)  # noqa: E731
_codings = _objects(
    _maybe("system", st.sampled_from(_SYSTEMS)), _maybe("code", st.sampled_from(_CODES))
)
_concepts = _objects(_maybe("coding", _lists_of(_codings)), st.just({"text": "x"}))
_identifiers = _objects(
    _maybe("system", st.sampled_from(_SYSTEMS)), _maybe("value", st.sampled_from(_CODES))
)
_periods = _objects(_maybe("start", _dates), _maybe("end", _dates))
_quantities = _objects(
    st.fixed_dictionaries({"value": _decimals}),
    _maybe("unit", st.sampled_from(_CODES)),
    _maybe("system", st.sampled_from(_SYSTEMS)),
    _maybe("code", st.sampled_from(_CODES)),
    _maybe("comparator", st.sampled_from(("<", "<=", ">", ">="))),
)
_references = _objects(
    st.sampled_from(REFERENCES).map(lambda text: {"reference": text}),
    _maybe("type", st.sampled_from(("Patient", "Group"))),
)
_names = _objects(
    _maybe("family", _texts), _maybe("given", _lists_of(_texts)), _maybe("text", _texts)
)
_telecoms = st.fixed_dictionaries(
    {"system": st.sampled_from(("phone", "email")), "value": st.sampled_from(_CODES)}
)
_timings = st.one_of(
    _lists_of(_dates).map(lambda dates: {"event": dates}),
    _periods.map(lambda period: {"repeat": {"boundsPeriod": period}}),
)
_metas = _objects(
    _maybe("profile", _lists_of(st.sampled_from(_URLS))),
    _maybe("tag", _lists_of(_codings)),
    _maybe("security", _lists_of(_codings)),
    _maybe("source", st.sampled_from(_URLS)),
    _maybe("lastUpdated", _full_dates),
)


def _resource(type_: str, *parts: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return _objects(
        st.just({"resourceType": type_}),
        st.sampled_from(_IDS).map(lambda id_: {"id": id_}),
        _maybe("meta", _metas),
        _maybe("identifier", _lists_of(_identifiers)),
        *parts,
    )


_results = st.one_of(
    st.just({}),
    _quantities.map(lambda value: {"valueQuantity": value}),
    _concepts.map(lambda value: {"valueCodeableConcept": value}),
    _texts.map(lambda value: {"valueString": value}),
    _dates.map(lambda value: {"valueDateTime": value}),
    _maybe("dataAbsentReason", _concepts),
)
_components = st.one_of(
    st.just({}),
    _quantities.map(lambda value: {"valueQuantity": value}),
    _concepts.map(lambda value: {"valueCodeableConcept": value}),
)
RESOURCES: dict[str, st.SearchStrategy[Json]] = {
    "Observation": _resource(
        "Observation",
        st.sampled_from(("final", "amended")).map(lambda code: {"status": code}),
        _maybe("code", _concepts),
        _maybe("subject", _references),
        _maybe("focus", _lists_of(_references)),
        st.one_of(
            st.just({}),
            _dates.map(lambda date: {"effectiveDateTime": date}),
            _full_dates.map(lambda date: {"effectiveInstant": date}),
            _periods.map(lambda period: {"effectivePeriod": period}),
            _timings.map(lambda timing: {"effectiveTiming": timing}),
        ),
        _results,
        _maybe("component", _lists_of(_objects(_maybe("code", _concepts), _components))),
    ),
    "Patient": _resource(
        "Patient",
        _maybe("name", _lists_of(_names)),
        _maybe("telecom", _lists_of(_telecoms)),
        _maybe("gender", st.sampled_from(("male", "female", "a"))),
        _maybe("birthDate", _day_dates),
        st.one_of(
            st.just({}),
            st.booleans().map(lambda dead: {"deceasedBoolean": dead}),
            _dates.map(lambda date: {"deceasedDateTime": date}),
        ),
        _maybe("generalPractitioner", _lists_of(_references)),
    ),
    "Encounter": _resource(
        "Encounter",
        _maybe("subject", _references),
        _maybe("period", _periods),
        _maybe("length", _quantities),
        _maybe("class", _codings),
    ),
    "Task": _resource(
        "Task",
        _maybe("for", _references),
        _maybe("owner", _references),
        _maybe("authoredOn", _dates),
        _maybe("executionPeriod", _periods),
        st.sampled_from(("requested", "accepted")).map(lambda code: {"status": code}),
    ),
    "Flag": _resource(
        "Flag", _maybe("subject", _references), _maybe("period", _periods)
    ),
    "CareTeam": _resource(
        "CareTeam",
        _maybe("subject", _references),
        _maybe("period", _periods),
        _maybe("category", _lists_of(_concepts)),
        _maybe("participant", _lists_of(_references.map(lambda who: {"member": who}))),
    ),
    "ServiceRequest": _resource(
        "ServiceRequest",
        _maybe("subject", _references),
        _maybe("instantiatesCanonical", _lists_of(st.sampled_from(_URLS))),
        _maybe("occurrenceTiming", _timings),
    ),
    "Condition": _resource(
        "Condition",
        _maybe("subject", _references),
        st.one_of(
            _quantities.map(lambda age: {"onsetAge": age}),
            st.tuples(_quantities, _quantities).map(
                lambda ends: {"onsetRange": {"low": ends[0], "high": ends[1]}}
            ),
            _periods.map(lambda period: {"onsetPeriod": period}),
        ),
    ),
    "RiskAssessment": _resource(
        "RiskAssessment",
        _maybe("subject", _references),
        _maybe(
            "prediction",
            _lists_of(
                st.one_of(
                    _decimals.map(lambda value: {"probabilityDecimal": value}),
                    _quantities.map(lambda high: {"probabilityRange": {"high": high}}),
                )
            ),
        ),
    ),
}


def escaped(text: str) -> str:
    for letter in ("\\", ",", "|", "$"):
        text = text.replace(letter, "\\" + letter)
    return text


_prefixes = st.sampled_from(PREFIXES)
_code_texts = st.sampled_from((*_CODES, "true", "false", "final", "requested", "male"))
_system_texts = st.sampled_from(
    (*_SYSTEMS, "http://hl7.org/fhir/observation-status", "http://hl7.org/fhir/administrative-gender")
)
_VALUES: dict[str, st.SearchStrategy[str]] = {
    "token": st.one_of(
        _code_texts.map(escaped),
        _code_texts.map(lambda code: "|" + escaped(code)),
        _system_texts.map(lambda system: escaped(system) + "|"),
        st.tuples(_system_texts, _code_texts).map(lambda both: "|".join(map(escaped, both))),
    ),
    "reference": st.sampled_from(
        [text for text in (*REFERENCES, *_URLS, *_IDS) if "_history" not in text and text[0] != "#"]
    ).map(lambda text: text.replace("|", "\\|")),
    "string": _texts.flatmap(
        lambda text: st.integers(1, len(text)).map(lambda end: escaped(text[:end]))
    ),
    "uri": st.sampled_from(_URLS).map(escaped),
    "date": st.tuples(_prefixes, _dates).map("".join),
    "number": st.tuples(_prefixes, st.sampled_from(_NUMBERS)).map("".join),
    "quantity": st.tuples(
        _prefixes,
        st.sampled_from(_NUMBERS),
        st.sampled_from(("", "||a", "|http://loinc.org|a", "|urn:z|A")),
    ).map("".join),
}
_MODIFIERS: dict[str, tuple[str, ...]] = {
    "token": ("", ":not", ":missing"),
    "string": ("", ":exact", ":missing"),
}


def _pairs_for(code: str, type_: str) -> st.SearchStrategy[tuple[str, str]]:
    if code == "_id":
        return st.lists(st.sampled_from(_IDS), min_size=1, max_size=2).map(
            lambda ids: ("_id", ",".join(ids))
        )
    modifiers = ("",) if code == "_lastUpdated" else _MODIFIERS.get(type_, ("", ":missing"))

    def with_values(modifier: str) -> st.SearchStrategy[tuple[str, str]]:
        if modifier == ":missing":
            return st.sampled_from(((code + modifier, "true"), (code + modifier, "false")))
        values = st.lists(_VALUES[type_], min_size=1, max_size=3)
        return values.map(lambda chosen: (code + modifier, ",".join(chosen)))

    return st.sampled_from(modifiers).flatmap(with_values)


def requests(parameters: dict[str, str]) -> st.SearchStrategy[Pairs]:
    """One or two random conditions on the given parameters (code to type)."""
    one = st.sampled_from(sorted(parameters)).flatmap(
        lambda code: _pairs_for(code, parameters[code])
    )
    return st.lists(one, min_size=1, max_size=2)
