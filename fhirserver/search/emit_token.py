"""From a coded FHIR value to entries: tokens, and the words written beside them.

`texts` says whether those words are wanted: they answer ``:text``.

Spec: https://hl7.org/fhir/R4/search.html#token
"""

from collections.abc import Mapping
from typing import Any

from fhirserver.search.emit import Append, Emitter, Params
from fhirserver.search.entry import OfTypeEntry, PresentEntry, TextEntry, TokenEntry


def coding(params: Params, *, texts: bool) -> Emitter:
    """Tokens of a Coding."""

    def emit(value: Any, append: Append) -> None:
        system, code = value.get("system"), value.get("code")
        display = value.get("display") if texts else None
        for param in params:
            if system is not None or code is not None:
                append(TokenEntry(param, system, code))
            else:
                append(PresentEntry(param))
            if display is not None:
                append(TextEntry(param, display))

    return emit


def codeable_concept(params: Params, *, texts: bool) -> Emitter:
    """Tokens of every coding of a CodeableConcept."""
    emit_coding = coding(params, texts=texts)

    def emit(value: Any, append: Append) -> None:
        codings = value.get("coding")
        if codings:
            for one in codings:
                emit_coding(one, append)
        else:
            for param in params:
                append(PresentEntry(param))
        text = value.get("text") if texts else None
        if text is not None:
            for param in params:
                append(TextEntry(param, text))

    return emit


def identifier(params: Params, *, texts: bool) -> Emitter:
    """Tokens of an Identifier: its system and value, and the value with the identifier's type."""

    def emit(value: Any, append: Append) -> None:
        system, code = value.get("system"), value.get("value")
        type_ = value.get("type")
        for param in params:
            if system is not None or code is not None:
                append(TokenEntry(param, system, code))
            else:
                append(PresentEntry(param))
            if type_ is not None:
                _identifier_type(param, type_, code, append)
                text = type_.get("text") if texts else None
                if text is not None:
                    append(TextEntry(param, text))

    return emit


def _identifier_type(param: str, type_: Any, value: str | None, append: Append) -> None:
    for one in type_.get("coding", ()):
        system, code = one.get("system"), one.get("code")
        if value is not None and system is not None and code is not None:
            append(OfTypeEntry(param, system, code, value))


def contact_point(params: Params) -> Emitter:
    """Tokens of a ContactPoint: its value, which has no system."""

    def emit(value: Any, append: Append) -> None:
        code = value.get("value")
        if code is not None:
            for param in params:
                append(TokenEntry(param, None, code))

    return emit


def code(params: Params, systems: Mapping[str, str]) -> Emitter:
    """Tokens of a plain code.

    `systems` gives the code system of each code that the element's required binding allows.
    """

    def emit(value: Any, append: Append) -> None:
        system = systems.get(value)
        for param in params:
            append(TokenEntry(param, system, value, system is not None))

    return emit


def boolean(params: Params) -> Emitter:
    """Tokens ``true`` and ``false``."""

    def emit(value: Any, append: Append) -> None:
        for param in params:
            append(TokenEntry(param, None, "true" if value else "false"))

    return emit


def plain_token(params: Params) -> Emitter:
    """Tokens of a string, id or uri: the text itself."""

    def emit(value: Any, append: Append) -> None:
        for param in params:
            append(TokenEntry(param, None, value))

    return emit
