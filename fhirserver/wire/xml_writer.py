"""The dict of FHIR JSON as FHIR XML, in the element order of the definitions.

Spec: https://hl7.org/fhir/R4/xml.html
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from html.entities import html5
from typing import Any, Final

from lxml import etree

from fhirserver.kernel.errors import NotAcceptable
from fhirserver.wire.xml_layout import Field, Layout, layout
from fhirserver.wire.xml_reader import FHIR, XHTML, MalformedXml, parse

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_SPECIAL: Final = re.compile(r'[&<>"\t\n\r]')
_IMPOSSIBLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_REFERENCES: Final = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        # An XML parser turns these into blanks unless they are written as references.
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


class Unprintable(NotAcceptable):
    """The resource holds something that XML has no form for; JSON has."""


def write(resource: Mapping[str, Any], *, pretty: bool = False) -> bytes:
    """Return `resource` as FHIR XML in UTF-8, decimals with all their digits.

    `pretty` indents by two spaces; narratives stay as they are. Raises `Unprintable` for control
    characters, a narrative that is no XHTML, and properties R4 does not have.
    """
    printer = _Printer("\n" if pretty else "")
    printer.resource(resource, 0, f' xmlns="{FHIR}"')
    text = _DECLARATION + "".join(printer.parts)
    if _IMPOSSIBLE.search(text):
        raise Unprintable("A text of this resource holds characters that XML cannot carry.")
    return text.encode()


class _Printer:
    """Collects the text. `_newline` is empty for compact output."""

    def __init__(self, newline: str) -> None:
        self.parts: list[str] = []
        self._newline = newline

    def resource(self, value: Any, depth: int, namespace: str = "") -> None:
        name = value.get("resourceType") if isinstance(value, Mapping) else None
        try:
            found = layout(str(name), str(name))
        except KeyError:
            raise Unprintable(f"{name!r} is no R4 resource.") from None
        self._element(str(name), namespace, value, found, depth)

    def _element(
        self, name: str, attributes: str, value: Mapping[str, Any], within: Layout, depth: int
    ) -> None:
        start = len(self.parts)
        self._open(name, attributes, depth)
        mark = len(self.parts)
        self._content(value, within, depth + 1)
        if len(self.parts) == mark:
            del self.parts[start:]
            self._empty(name, attributes, depth)
        else:
            self._indent(depth)
            self.parts.append(f"</{name}>")

    def _content(self, value: Mapping[str, Any], within: Layout, depth: int) -> None:
        met = 0
        for name, field in within.fields.items():
            given, extra = value.get(name), None
            met += name in value
            if field.form == "primitive":
                extra = value.get(f"_{name}")
                met += f"_{name}" in value
            if given is None and extra is None:
                continue
            if field.is_list:
                self._repeated(field, given, extra, depth)
            else:
                self._one(field, given, extra, depth)
        met += sum(name in value for name in within.attributes)
        # ExampleScenario has an element of that name; everywhere else it is not one.
        if "resourceType" in value and "resourceType" not in within.fields:
            met += 1
        if met != len(value):
            known = {*within.fields, *within.attributes, "resourceType"}
            odd = next((name for name in value if name.removeprefix("_") not in known), "?")
            raise Unprintable(f"R4 has no property {odd!r} here, so XML has no form for it.")

    def _repeated(self, field: Field, given: Any, extra: Any, depth: int) -> None:
        values = _listed(given)
        extras = _listed(extra)
        for index in range(max(len(values), len(extras))):
            self._one(
                field,
                values[index] if index < len(values) else None,
                extras[index] if index < len(extras) else None,
                depth,
            )

    def _one(self, field: Field, value: Any, extra: Any, depth: int) -> None:
        if field.form == "primitive":
            self._primitive(field.name, value, extra, depth)
        elif field.form == "xhtml":
            self._indent(depth)
            self.parts.append(_division(value))
        elif not isinstance(value, Mapping):
            raise Unprintable(f"{field.name} is no object.")
        elif field.form == "resource":
            self._open(field.name, "", depth)
            self.resource(value, depth + 1)
            self._indent(depth)
            self.parts.append(f"</{field.name}>")
        else:
            within = layout(*field.child)
            self._element(field.name, _attributes(value, within.attributes), value, within, depth)

    def _primitive(self, name: str, value: Any, extra: Any, depth: int) -> None:
        if value is None and not extra:
            raise Unprintable(f"{name} is null, which XML has no form for.")
        text = "" if value is None else f' value="{_escaped(_text(value))}"'
        if extra is None:
            self._empty(name, text, depth)
            return
        if not isinstance(extra, Mapping):
            raise Unprintable(f"_{name} is no object.")
        within = layout("Element", "Element")
        self._element(name, _attributes(extra, ("id",)) + text, extra, within, depth)

    def _open(self, name: str, attributes: str, depth: int) -> None:
        self._indent(depth)
        self.parts.append(f"<{name}{attributes}>")

    def _empty(self, name: str, attributes: str, depth: int) -> None:
        self._indent(depth)
        self.parts.append(f"<{name}{attributes}/>")

    def _indent(self, depth: int) -> None:
        if self._newline:
            self.parts.append(self._newline + "  " * depth)


def _attributes(value: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return "".join(f' {name}="{_escaped(_text(value[name]))}"' for name in names if name in value)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal() if value.is_finite():
            return str(value)
    raise Unprintable("A primitive value has no form in XML.")


def _escaped(text: str) -> str:
    return text.translate(_REFERENCES) if _SPECIAL.search(text) else text


def _division(value: Any) -> str:
    """Return the narrative as XML: what only HTML knows by name becomes a number."""
    if not isinstance(value, str):
        raise Unprintable("A narrative is text.")
    try:
        node = parse(_ENTITY.sub(_by_number, value).encode())
    except (MalformedXml, UnicodeEncodeError):
        raise Unprintable("The narrative is no well-formed XHTML.") from None
    if node.tag != f"{{{XHTML}}}div":
        raise Unprintable("The narrative is no <div> of XHTML.")
    return etree.tostring(node, encoding="unicode", with_tail=False)


def _by_number(found: re.Match[str]) -> str:
    name = found[1]
    if name in _XML_ENTITIES:
        return found[0]
    text = html5.get(f"{name};")
    if text is None:
        return found[0]
    return "".join(f"&#{ord(one)};" for one in text)
