"""Segments as hl7apy writes them, each shape once: what changes from message to message is filled in.

hl7apy builds a tree for every component, a hundred times dearer than what devices that speak every second can pay for.
Spec: HL7 v2.6 chapter 2 (https://www.hl7.org/implement/standards/product_brief.cfm?product_id=185)
"""

from functools import cache
from typing import Final

from hl7apy.core import Message, Segment

VERSION: Final = "2.6"
# Control characters stand in no text that is sent, so what is put here cannot be mistaken for one.
_GAP: Final = "\x01{}\x02"


@cache
def shape(name: str, fields: tuple[tuple[int, str], ...], gaps: tuple[int, ...] = ()) -> str:
    """Return a segment with these `fields` as text with separators; `gaps` are fields to be filled by `filled`.

    Raises hl7apy's ChildNotFound for a field the segment has not.
    """
    segment = Message(version=VERSION).msh if name == "MSH" else Segment(name, version=VERSION)
    for number, text in fields:
        setattr(segment, f"{name}_{number}".lower(), text)
    for number in gaps:
        setattr(segment, f"{name}_{number}".lower(), _GAP.format(number))
    return str(segment.to_er7())


def filled(text: str, values: dict[int, str]) -> str:
    """Return what `shape` made with its gaps filled."""
    for number, value in values.items():
        text = text.replace(_GAP.format(number), value, 1)
    return text
