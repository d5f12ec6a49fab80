"""Forms: what is filled in for a device is byte for byte, and key for key, what was made for it alone."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.metrics import METRICS
from adapters.templates import TemplateKey, form_of, references_of
from fhirserver import definitions
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EFFECTIVE_MARK, OWN_MARK, ObservationForm, value_mark
from fhirserver.store import observation_forms
from fhirserver.store.data_keys import DataKey
from fhirserver.store.observation_forms import PreparedForm, filled, keys_of, prepared_form
from fhirserver.store.observation_rows import ID_MARK, UPDATED_MARK, PreparedTemplate, Row
from fhirserver.store.prepared_templates import Recent
from fhirserver.store.rows import index_columns
from fhirserver.wire import fhir_json

DEFINITIONS = definitions.load()
BLIND = BlindIndex(bytes(32), 3, link=bytes(range(32)), spread={})
SYSTOLIC, DIASTOLIC, MEAN = (METRICS[code] for code in ("150021", "150022", "150023"))
SHAPES = [
    *((one,) for one in METRICS.values() if one not in (SYSTOLIC, DIASTOLIC, MEAN)),
    (SYSTOLIC, DIASTOLIC, MEAN),
    (SYSTOLIC,),
]


def row(keys: list[int]) -> Row:
    return Row(30, 5, 1, 77, keys, 3, "ann")


def template(known: PreparedForm, references: tuple[str, ...]) -> PreparedTemplate:
    keys = keys_of(known, references, BLIND, DEFINITIONS)
    return filled(known, references, row(keys), DataKey(9, AESGCM(bytes(32))))


def marked(pieces: tuple[bytes, ...], values: int) -> bytes:
    """Return the whole content again, with the marks of what each message fills in."""
    marks = [ID_MARK, UPDATED_MARK, EFFECTIVE_MARK, *(str(value_mark(at)) for at in range(values))]
    together = [pieces[0]]
    for mark, piece in zip(marks, pieces[1:], strict=True):
        together += [mark.encode(), piece]
    return b"".join(together)


def alone(form: ObservationForm, references: tuple[str, ...]) -> Json:
    """Return the Observation of one device, written out."""
    text = fhir_json.write(form.resource).decode()
    for mark, reference in zip(form.marks, references, strict=True):
        text = text.replace(mark, reference)
    resource = fhir_json.read_own(text.encode())
    body: Json = {
        "resourceType": "Observation",
        "id": ID_MARK,
        "meta": {"versionId": "1", "lastUpdated": UPDATED_MARK, **resource.get("meta", {})},
    }
    return {**body, **{key: value for key, value in resource.items() if key not in body}}


@pytest.mark.parametrize("absent", [None, "error"])
def test_every_measure_of_two_devices(absent: str | None) -> None:
    for shape, patient, therapy, simulated in product(
        SHAPES, (None, "ann"), (None, "t-1"), (False, True)
    ):
        flags = ("in-alarm", "questionable") if simulated else ()
        keys: list[TemplateKey] = [
            (device, patient and patient + device[-1], shape, absent, simulated, therapy, flags)
            for device in ("machine-1", "another.machine-" + "x" * 48)
        ]
        known = prepared_form(form_of(keys[0]), BLIND, DEFINITIONS)
        assert known.links is not None
        assert form_of(keys[1]) is known.form
        for key in keys:
            references = references_of(key)
            made, body = template(known, references), alone(known.form, references)
            columns = index_columns(body, BLIND, DEFINITIONS)
            assert keys_of(known, references, BLIND, DEFINITIONS) == columns.keys
            assert marked(made.pieces, known.form.values) == fhir_json.write(body)
            assert [one.source.param for one in made.ranges] == [
                one.param for one in columns.ranges
            ]
            assert OWN_MARK.encode() not in b"".join(made.pieces)
        first, second = (template(known, references_of(key)) for key in keys)
        assert first.kind != second.kind
        assert first.kind == template(known, references_of(keys[0])).kind
        # What no reference stands in is there once.
        assert first.pieces[1] is second.pieces[1]


def test_what_is_found_by_more_than_a_reference_is_indexed_for_each_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def odd(resource: Json, blind: BlindIndex, known: Any) -> Any:
        found = index_columns(resource, blind, known)
        name = blind.hash("odd", resource["subject"]["reference"])
        return replace(found, keys=sorted({*found.keys, name}))

    monkeypatch.setattr(observation_forms, "index_columns", odd)
    keys: list[TemplateKey] = [
        ("m1", patient, (METRICS["158776"],), None, False, None, ()) for patient in ("ann", "eve")
    ]
    known = prepared_form(form_of(keys[0]), BLIND, DEFINITIONS)
    assert known.links is None
    for key in keys:
        references = references_of(key)
        expected = odd(alone(known.form, references), BLIND, DEFINITIONS).keys
        assert keys_of(known, references, BLIND, DEFINITIONS) == expected


def test_what_is_not_valid_or_has_no_place_for_a_number_is_refused() -> None:
    form = form_of(("m1", "ann", (METRICS["158776"],), None, False, None, ()))
    wrong = ObservationForm({**form.resource, "status": "unheard-of"}, 1, form.marks)
    with pytest.raises(Unprocessable):
        prepared_form(wrong, BLIND, DEFINITIONS)
    with pytest.raises(ValueError, match="no place"):
        prepared_form(ObservationForm(form.resource, 2, form.marks), BLIND, DEFINITIONS)


def test_what_was_not_used_for_longest_goes_first() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.keep("a", 1)
    recent.keep("b", 2)
    assert recent.get("a") == 1
    recent.keep("c", 3)
    assert [recent.get(one) for one in "abc"] == [1, None, 3]
    recent.forget("a")
    assert (recent.get("a"), len(recent)) == (None, 1)
