"""FHIR XML to the dict that FHIR JSON would have given.

What the sender wrote decides nothing about the parser: document type declarations, entities and
encodings other than UTF-8 are refused before anything is expanded, and nothing is ever fetched. A
primitive whose text does not fit its type stays text, so that validation names the place.

Spec: https://hl7.org/fhir/R4/xml.html,
https://cheatsheetseries.owasp.org/cheatsheets/XML_External_Entity_Prevention_Cheat_Sheet.html
"""

import re
from typing import Any, Final

from lxml import etree

from fhirserver.definitions import load
from fhirserver.kernel.errors import Malformed
from fhirserver.wire import fhir_json
from fhirserver.wire.xml_layout import Field, Layout, layout

FHIR: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"
MAX_ATTRIBUTES: Final = 100

_FHIR_TAG: Final = f"{{{FHIR}}}"
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_ENCODING: Final = re.compile(
    rb"""^(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"']*)"""
)
_ATTRIBUTE: Final = re.compile(rb"""=\s*["']""")
_UTF8: Final = frozenset({b"utf-8", b"utf8", b"us-ascii"})
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,30})")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

Json = dict[str, Any]


class MalformedXml(Malformed, ValueError):
    """The bytes are not one resource in FHIR XML."""


def read(data: bytes) -> Json:
    """Return the resource in `data`, numbers as `fhir_json.read` gives them.

    Raises `MalformedXml` for anything but one resource in UTF-8 XML without document type
    declaration, for elements and attributes R4 does not have, and for what is nested too deep.
    """
    root = parse(data)
    try:
        value = _resource(root)
        fhir_json.require_depth(value)
    except fhir_json.MalformedJson as error:
        raise MalformedXml(error.message) from None
    return value


def parse(data: bytes) -> etree._Element:
    """Return the root element of untrusted XML. Raises `MalformedXml`."""
    declared = _ENCODING.match(data[:300])
    if declared is not None and declared[1].lower() not in _UTF8:
        raise MalformedXml("XML is read in UTF-8 only")
    # The parser below reads UTF-8 whatever the bytes say, so this cannot be spelled otherwise.
    if b"<!DOCTYPE" in data:
        raise MalformedXml("a document type declaration (DTD) is not accepted")
    if not data.strip():
        raise MalformedXml("the body is empty")
    # The parser compares every attribute of an element with every other.
    for tag in data.split(b"<"):
        if len(tag) > MAX_ATTRIBUTES and len(_ATTRIBUTE.findall(tag)) > MAX_ATTRIBUTES:
            raise MalformedXml(f"an element has more than {MAX_ATTRIBUTES} attributes")
    try:
        return etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise MalformedXml(f"not well-formed XML: {error.msg}") from None
    except ValueError:
        raise MalformedXml("not well-formed XML") from None


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _resource(node: etree._Element) -> Json:
    name = _name(node)
    if not load().is_resource_type(name):
        raise MalformedXml(f"<{name}> is no R4 resource")
    if any(not str(key).startswith(_XSI) for key in node.attrib):
        raise MalformedXml(f"<{name}> has no attributes")
    return {"resourceType": name, **_children(node, layout(name, name))}


def _complex(node: etree._Element, child: tuple[str, str]) -> Json:
    found = layout(*child)
    out: Json = {}
    for key, text in node.attrib.items():
        name = str(key)
        if name not in found.attributes:
            raise MalformedXml(f"<{_name(node)}> has no attribute {name!r}")
        out[name] = str(text)
    out.update(_children(node, found))
    return out


def _children(node: etree._Element, within: Layout) -> Json:
    _require_blank(node.text, node)
    singles: Json = {}
    lists: dict[str, list[tuple[Any, Json | None]]] = {}
    for child in node:
        _require_blank(child.tail, node)
        name = _name(child)
        field = within.fields.get(name)
        if field is None:
            raise MalformedXml(f"<{_name(node)}> has no element <{name}>")
        value, extra = _value(child, field)
        if field.is_list:
            lists.setdefault(name, []).append((value, extra))
        elif name in singles or f"_{name}" in singles:
            raise MalformedXml(f"<{name}> appears twice in one <{_name(node)}>")
        else:
            if value is not None:
                singles[name] = value
            if extra is not None:
                singles[f"_{name}"] = extra
    for name, rows in lists.items():
        values = [value for value, _ in rows]
        extras = [extra for _, extra in rows]
        if any(value is not None for value in values):
            singles[name] = values
        if any(extra is not None for extra in extras):
            singles[f"_{name}"] = extras
    return singles


def _value(node: etree._Element, field: Field) -> tuple[Any, Json | None]:
    if field.form == "complex":
        return _complex(node, field.child), None
    if field.form == "resource":
        _require_blank(node.text, node)
        if len(node) != 1 or node.attrib:
            raise MalformedXml(f"<{field.name}> holds one resource")
        _require_blank(node[0].tail, node)
        return _resource(node[0]), None
    if field.form == "xhtml":
        return _div(node), None
    return _primitive(node, field)


def _primitive(node: etree._Element, field: Field) -> tuple[Any, Json | None]:
    text: str | None = None
    extra: Json = {}
    for key, value in node.attrib.items():
        if key == "value":
            text = str(value)
        elif key == "id":
            extra["id"] = str(value)
        else:
            raise MalformedXml(f"<{field.name}> has no attribute {str(key)!r}")
    if len(node) or (node.text and node.text.strip()):
        extra.update(_children(node, layout("Element", "Element")))
    if text is None and not extra:
        raise MalformedXml(f"<{field.name}> has neither a value nor an extension")
    return (None if text is None else _typed(text, field)), extra or None


def _typed(text: str, field: Field) -> Any:
    match field.number:
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "integer" if _INTEGER.fullmatch(text):
            return int(text)
        case "decimal" if _INTEGER.fullmatch(text):
            return int(text)
        case "decimal" if _DECIMAL.fullmatch(text):
            return fhir_json.decimal(text)
    return text


def _div(node: etree._Element) -> str:
    if node.tag != f"{{{XHTML}}}div":
        raise MalformedXml("a narrative is a <div> of XHTML")
    if set(node.nsmap) != {None}:
        node = _without_prefixes(node)
    return etree.tostring(node, encoding="unicode", with_tail=False)


def _without_prefixes(node: etree._Element) -> etree._Element:
    """Return a copy in which XHTML is the default namespace, as JSON has it."""
    copy = etree.Element(node.tag, nsmap={None: XHTML})  # type: ignore[dict-item] # None is the default namespace
    pending = [(node, copy)]
    while pending:
        source, target = pending.pop()
        for key, value in source.attrib.items():
            target.set(key, value)
        target.text = source.text
        for child in source:
            made = etree.SubElement(target, child.tag)
            made.tail = child.tail
            pending.append((child, made))
    return copy


def _name(node: etree._Element) -> str:
    tag = node.tag
    if not isinstance(tag, str):
        raise MalformedXml("entity references are not accepted")
    if tag.startswith(_FHIR_TAG):
        return tag[len(_FHIR_TAG) :]
    if tag == f"{{{XHTML}}}div":
        return "div"
    raise MalformedXml(f"FHIR elements are in the namespace {FHIR}")


def _require_blank(text: str | None, node: etree._Element) -> None:
    if text and not text.isspace():
        raise MalformedXml(f"<{_name(node)}> holds elements, no text")
