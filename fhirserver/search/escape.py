"""The separators inside a parameter's value and how they are escaped.

``,`` separates alternatives, ``|`` the parts of a token or quantity, ``$`` the parts of a
composite; a backslash before one of them, or before a backslash, takes its meaning away. Any other
backslash stands for itself.

Spec: https://hl7.org/fhir/R4/search.html#escaping
"""

_ESCAPED = frozenset(",|$\\")


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Split at unescaped separators, at most `limit` times; the parts stay escaped."""
    if separator not in text or limit == 0:
        return [text]
    parts: list[str] = []
    start = position = 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and text[position + 1 : position + 2] in _ESCAPED:
            position += 2
            continue
        if letter == separator:
            parts.append(text[start:position])
            start = position + 1
            if len(parts) == limit:
                break
        position += 1
    parts.append(text[start:])
    return parts


def unescape(text: str) -> str:
    """Return `text` with its escapes resolved."""
    if "\\" not in text:
        return text
    letters: list[str] = []
    position = 0
    while position < len(text):
        if text[position] == "\\" and text[position + 1 : position + 2] in _ESCAPED:
            position += 1
        letters.append(text[position])
        position += 1
    return "".join(letters)
