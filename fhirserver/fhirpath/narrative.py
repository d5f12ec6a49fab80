"""The XHTML of a narrative: well-formed, harmless, not empty (htmlChecks(), rules txt-1 and txt-2).

Narrative is shown to people in other systems' pages, so scripts, styles sheets, forms, event
handlers and anything else beyond basic formatting are refused on the way in. Document type
declarations are refused before parsing: they are how XML parsers are made to run out of memory.

Spec: https://hl7.org/fhir/R4/narrative.html#xhtml
"""

import re
from xml.etree import ElementTree as ET

XHTML = "http://www.w3.org/1999/xhtml"

ELEMENTS = frozenset(
    {"a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption"}
    | {"cite", "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "h1"}
    | {"h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "map", "ol", "p"}
    | {"pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td"}
    | {"tfoot", "th", "thead", "tr", "tt", "ul", "var"}
)
"""HTML 4.0 chapters 7 to 11 (but section 4 of chapter 9) and 15, with `a` and `img`."""

ATTRIBUTES = frozenset(
    {"abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign"}
    | {"cellpadding", "cellspacing", "cellvalign", "char", "charoff", "charset", "cite", "class"}
    | {"colspan", "compact", "coords", "dir", "frame", "headers", "height", "href", "hreflang"}
    | {"hspace", "id", "lang", "longdesc", "name", "nowrap", "rel", "rev", "rowspan", "rules"}
    | {"scope", "shape", "span", "src", "start", "style", "summary", "tabindex", "title", "type"}
    | {"valign", "value", "vspace", "width"}
)

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SCRIPT_URL = re.compile(r"\s*(javascript|vbscript|data:text)", re.IGNORECASE)


def fault_of(value: object) -> str | None:
    """Say what is wrong with a narrative, its rule in front; None when nothing is."""
    if type(value) is not str:
        return "txt-1: a narrative is XHTML"
    if "<!" in value.replace("<!--", "") or "<?" in value:
        return "txt-1: declarations are not allowed in a narrative"
    try:
        root = ET.fromstring(value)  # noqa: S314 - declarations are refused above
    except ET.ParseError as error:
        return f"txt-1: the narrative is not well-formed XHTML: {error}"
    if root.tag != f"{{{XHTML}}}div":
        return f'txt-1: the narrative is one <div xmlns="{XHTML}">'
    for element in root.iter():
        problem = _forbidden(element)
        if problem is not None:
            return f"txt-1: {problem} is not allowed in a narrative"
    if not "".join(root.itertext()).strip() and root.find(f".//{{{XHTML}}}img") is None:
        return "txt-2: the narrative has no content"
    return None


def _forbidden(element: ET.Element) -> str | None:
    namespace, _, name = element.tag.rpartition("}")
    if namespace != "{" + XHTML or name not in ELEMENTS:
        return f"<{name}>"
    for key, text in element.attrib.items():
        if key not in ATTRIBUTES and key != _LANG:
            return f"the attribute {key.rpartition('}')[2]}"
        if key in ("href", "src") and _SCRIPT_URL.match(text) is not None:
            return f"a script in {key}"
    return None
