"""Is a coding right: does the code exist, is it in the value set, is the display one of its own?

Spec: https://hl7.org/fhir/R4/valueset-operation-validate-code.html,
https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fhirserver.kernel.resource import Json
from fhirserver.terminology import ucum
from fhirserver.terminology.members import Member, Members
from fhirserver.terminology.terminology import Terminology


@dataclass(frozen=True, slots=True)
class Coding:
    """A code as a caller states it."""

    code: str
    system: str | None = None
    version: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """`right` or not, and why; `display` is what the code is really called, None when not known."""

    right: bool
    message: str | None = None
    display: str | None = None
    coding: Coding | None = None


def in_value_set(
    members: Members, codings: Iterable[Coding], *, abstract: bool, language: str | None
) -> Judgement:
    """Return whether one of `codings` is a member, with a display of its own if it has one.

    A coding without system is looked for in every system of the value set. `abstract`: codes that
    only group others are fine too.
    """
    verdict = Judgement(right=False, message="There is no code to look at.")
    for coding in codings:
        verdict = _one_in_value_set(members, coding, abstract=abstract, language=language)
        if verdict.right:
            return verdict
    return verdict


def _one_in_value_set(
    members: Members, coding: Coding, *, abstract: bool, language: str | None
) -> Judgement:
    systems = [coding.system] if coding.system is not None else members.systems_of(coding.code)
    if len(systems) > 1:
        message = f"The code {_shown(coding.code)} is in several systems: name one of them."
        return Judgement(right=False, message=message, coding=coding)
    found = members.find(systems[0], coding.code) if systems else None
    if found is None:
        message = f"The code {_shown(coding.code)} is not in the value set."
        return Judgement(right=False, message=message, coding=coding)
    if found.abstract and not abstract:
        message = f"The code {_shown(coding.code)} is abstract: it only groups others."
        return Judgement(right=False, message=message, display=found.display, coding=coding)
    if coding.version not in (None, found.version) and found.version is not None:
        message = f"The value set uses version {found.version} of {found.system}."
        return Judgement(right=False, message=message, display=found.display, coding=coding)
    return _named(coding, found, language)


def in_code_system(
    terminology: Terminology, system: str, coding: Coding, *, abstract: bool, language: str | None
) -> Judgement:
    """Return whether the code exists in `system`. Raises `NotFound` when that is not loaded."""
    if system == ucum.SYSTEM:
        if ucum.is_valid(coding.code):
            return _named(coding, Member(system, coding.code, coding.code), language)
        message = f"{_shown(coding.code)} is not a UCUM unit."
        return Judgement(right=False, message=message, coding=coding)
    loaded = terminology.require_code_system(system, coding.version)
    concept = loaded.find(coding.code)
    if concept is None:
        message = f"The code {_shown(coding.code)} is not in {system}."
        if loaded.content != "complete":
            message = f"{message} Of that system only a part is loaded."
        return Judgement(right=False, message=message, coding=coding)
    if concept.abstract and not abstract:
        message = f"The code {_shown(coding.code)} is abstract: it only groups others."
        return Judgement(right=False, message=message, display=concept.display, coding=coding)
    member = Member(system, concept.code, concept.display, designations=concept.designations)
    return _named(coding, member, language)


def preferred_display(
    display: str | None, designations: Iterable[Json], language: str | None
) -> str | None:
    """Return the designation in `language` (BCP 47), `display` when there is none."""
    if language is None:
        return display
    wanted = language.lower()
    general = wanted.partition("-")[0]
    near = None
    for row in designations:
        spoken = str(row.get("language", "")).lower()
        if spoken == wanted:
            return str(row["value"])
        if near is None and spoken.partition("-")[0] == general:
            near = str(row["value"])
    return near or display


def _named(coding: Coding, member: Member, language: str | None) -> Judgement:
    display = preferred_display(member.display, member.designations, language)
    known = [member.display, *(row.get("value") for row in member.designations)]
    names = {_plain(name) for name in known if name}
    if coding.display and names and _plain(coding.display) not in names:
        message = f"The code {_shown(coding.code)} is called {display!r}."
        return Judgement(right=False, message=message, display=display, coding=coding)
    resolved = Coding(coding.code, member.system, member.version, coding.display)
    return Judgement(right=True, display=display, coding=resolved)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _shown(code: str) -> str:
    return repr(code[:100])
