"""Random resources and random search requests that have a fair chance to meet."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from fhirserver.kernel.resource import Json
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from fhirserver.search.period import as_datetime

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
UCUM = "http://unitsofmeasure.org"
UNITS = ("mg", "g", "mm[Hg]", "kPa", "no unit")
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


def _lists_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=3)


_dates = st.sampled_from(_DATES)
_full_dates = st.sampled_from([date for date in _DATES if "T" in date])
_day_dates = st.sampled_from([date for date in _DATES if "T" not in date])
_decimals = st.sampled_from(_NUMBERS).map(Decimal)
_texts = st.sampled_from((*_WORDS, *_LONG))
_codings = _objects(
    _maybe("system", st.sampled_from(_SYSTEMS)),
    _maybe("code", st.sampled_from(_CODES)),
    _maybe("display", _texts),
)
_concepts = _objects(_maybe("coding", _lists_of(_codings)), _maybe("text", _texts))
_identifiers = _objects(
    _maybe("system", st.sampled_from(_SYSTEMS)),
    _maybe("value", st.sampled_from(_CODES)),
    _maybe("type", _concepts),
)
_periods = _objects(_maybe("start", _dates), _maybe("end", _dates))
_quantities = _objects(
    st.fixed_dictionaries({"value": _decimals}),
    _maybe("unit", st.sampled_from((*_CODES, "mg"))),
    st.one_of(
        _objects(
            _maybe("system", st.sampled_from(_SYSTEMS)), _maybe("code", st.sampled_from(_CODES))
        ),
        st.tuples(st.sampled_from(("5.4", "5400", "0.0054")), st.sampled_from(UNITS)).map(
            lambda pair: {"value": Decimal(pair[0]), "system": UCUM, "code": pair[1]}
        ),
    ),
    _maybe("comparator", st.sampled_from(("<", "<=", ">", ">="))),
)
_references = _objects(
    st.one_of(
        st.sampled_from(REFERENCES).map(lambda text: {"reference": text}),
        _identifiers.map(lambda identifier: {"identifier": identifier}),
    ),
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


_INNER = st.just({"resourceType": "Patient", "id": "inside"})


def _resource(type_: str, *parts: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return _objects(
        st.just({"resourceType": type_}),
        st.sampled_from(_IDS).map(lambda id_: {"id": id_}),
        _maybe("meta", _metas),
        _maybe("identifier", _lists_of(_identifiers)),
        _maybe("text", _texts.map(lambda text: {"div": f"<div>{text}&amp;<b>x</b></div>"})),
        _maybe("contained", _lists_of(_objects(_INNER, _maybe("name", _lists_of(_names))))),
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
_components: st.SearchStrategy[Json] = st.one_of(
    st.just({}),
    _quantities.map(lambda value: {"valueQuantity": value}),
    _concepts.map(lambda value: {"valueCodeableConcept": value}),
)
RESOURCES: dict[str, st.SearchStrategy[Json]] = {
    "AuditEvent": _resource(
        "AuditEvent",
        _maybe("type", _codings),
        _maybe("subtype", _lists_of(_codings)),
        _maybe("action", st.sampled_from(("R", "E", "a"))),
        _maybe("outcome", st.sampled_from(("0", "4"))),
        _full_dates.map(lambda date: {"recorded": date}),
        _maybe(
            "agent",
            _lists_of(
                _objects(
                    _maybe("who", _references),
                    _maybe("altId", st.sampled_from(_CODES)),
                    _maybe("name", _texts),
                    _maybe("role", _lists_of(_concepts)),
                    _maybe("network", _maybe("address", _texts)),
                )
            ),
        ),
        _maybe("source", _maybe("observer", _references)),
        _maybe(
            "entity",
            _lists_of(
                _objects(
                    _maybe("what", _references), _maybe("type", _codings), _maybe("role", _codings)
                )
            ),
        ),
    ),
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
    "Flag": _resource("Flag", _maybe("subject", _references), _maybe("period", _periods)),
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


COMPARABLE = (
    DateEntry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)


def value_like(dice: Random, entry: Entry) -> str:
    """A search value that `entry` answers, or nearly."""
    prefix = dice.choice(PREFIXES)
    match entry:
        case TokenEntry(system=system, code=code):
            forms = [f"{escaped(system or '')}|{escaped(code or '')}"]
            forms += [escaped(code), "|" + escaped(code)] if code else []
            forms += [escaped(system) + "|"] if system else []
            return dice.choice(forms)
        case ReferenceEntry(target=target, id=id_):
            return escaped(dice.choice([target, id_ or target, target.partition("|")[0]]))
        case StringEntry(value=text):
            start = text[: dice.randint(1, len(text))]
            return escaped(dice.choice([text, start, start.upper(), text + "x"]))
        case UriEntry(value=uri):
            return escaped(dice.choice([uri, uri.partition("|")[0]]))
        case NumberEntry(lo=lo, hi=hi):
            return f"{prefix}{dice.choice([lo, hi])}"
        case QuantityEntry(lo=lo, hi=hi):
            system, code, unit = entry.system or "", entry.code or "", entry.unit or "u"
            unit = dice.choice(["", f"|{escaped(system)}|{escaped(code)}", f"||{escaped(unit)}"])
            if system == UCUM and code in ("mg", "g") and dice.random() < 0.7:
                # The same amount in the other unit.
                shift, other = (-3, "g") if code == "mg" else (3, "mg")
                return f"{prefix}{dice.choice([lo, hi]).scaleb(shift):f}|{UCUM}|{other}"
            return f"{prefix}{dice.choice([lo, hi])}{unit}"
        case DateEntry(lo=lo, hi=hi):
            moment = as_datetime(dice.choice([lo, hi, lo - 1, hi - 1, hi + 1])).isoformat()
            precision = dice.choice([4, 7, 10, 19, 23])
            return prefix + (moment[:precision] if precision <= 10 else moment[:precision] + "Z")
        case _:
            raise TypeError(f"{entry} has no value to compare with")


def value_for(dice: Random, type_: str) -> str:
    """Any search value of a parameter type."""
    prefix, number = dice.choice(PREFIXES), dice.choice(_NUMBERS)
    match type_:
        case "token":
            system = escaped(dice.choice(_SYSTEMS)) + "|"
            return dice.choice(["", "|", system]) + escaped(dice.choice((*_CODES, "true")))
        case "reference":
            wanted = [one for one in REFERENCES if "_history" not in one and one[0] != "#"]
            return escaped(dice.choice((*wanted, *_URLS, *_IDS)))
        case "string":
            return escaped(dice.choice((*_WORDS, *_LONG)))
        case "uri":
            return escaped(dice.choice(_URLS))
        case "date":
            return prefix + dice.choice(_DATES)
        case "number":
            return prefix + number
        case _:
            units = ("", "||a", "|urn:z|A", f"|{UCUM}|mg", f"|{UCUM}|g", "||mg", f"|{UCUM}|Pa")
            number = dice.choice((*_NUMBERS, "5400", "0.0054"))
            return prefix + number + dice.choice(units)


def request(
    dice: Random, parameters: Mapping[str, str], entries: Sequence[Entry], id_: str
) -> tuple[str, str]:
    """A random condition on one of `parameters` (code to type), often like one of `entries`."""
    here = sorted({entry.param for entry in entries} & parameters.keys())
    code = dice.choice(here if here and dice.random() < 0.8 else sorted(parameters))
    if code == "_id":
        return "_id", ",".join(dice.sample((*_IDS, id_), dice.randint(1, 2)))
    type_ = parameters[code]
    modifiers = ["", "", "", *_MODIFIERS.get(type_, ()), ":missing"]
    modifier = "" if code == "_lastUpdated" else dice.choice(modifiers)
    if modifier == ":missing":
        return code + modifier, dice.choice(("true", "false"))
    found = [entry for entry in entries if entry.param == code and isinstance(entry, COMPARABLE)]
    values = [
        value_like(dice, dice.choice(found))
        if found and dice.random() < 0.6
        else value_for(dice, type_)
        for _ in range(dice.randint(1, 3))
    ]
    return code + modifier, ",".join(values)


_MODIFIERS: dict[str, tuple[str, ...]] = {"token": (":not",), "string": (":exact",)}
