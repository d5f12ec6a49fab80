"""Slicing: which values of a repeating element belong to which slice, and what follows from it.

A value belongs to the one slice its discriminators point to. Then the slicing's own rules hold
(closed, open, openAtEnd, ordered), every slice's cardinality, and for each value what its slice
demands. Slices may be sliced again.

Spec: https://hl7.org/fhir/R4/profiling.html#slicing
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fhirserver.validation.profiles.discriminator import (
    Matcher,
    NotDiscriminatingError,
    Profiles,
    matcher,
)
from fhirserver.validation.profiles.node import Discriminator, Node, Slicing
from fhirserver.validation.profiles.place import Place
from fhirserver.validation.profiles.run import Check, Run

Places = Sequence[Place]

GroupCheck = Callable[[Place, Places, Run], None]

EXTENSIONS = frozenset({"extension", "modifierExtension"})


@dataclass(frozen=True, slots=True)
class _Slice:
    name: str
    node: Node
    matches: Matcher
    item: Check | None
    inner: GroupCheck | None


def slicing_of(node: Node) -> Slicing:
    """Return how `node` is sliced; extensions are told apart by url and choices by type unless stated."""
    if node.slicing is not None and node.slicing.discriminators:
        return node.slicing
    stated = node.slicing or Slicing(())
    if node.name in EXTENSIONS:
        return Slicing((Discriminator("value", "url"),), stated.ordered, stated.rules)
    if node.element is not None and node.element.is_choice:
        return Slicing((Discriminator("type", "$this"),), stated.ordered, stated.rules)
    return stated


def slicing_check(
    node: Node, item: Callable[[Node], Check | None], profiles: Profiles
) -> GroupCheck:
    """Return the check of all values of a sliced element; `item` compiles what one slice demands."""
    slicing = slicing_of(node)
    slices = tuple(_slice(one, slicing, item, profiles) for one in node.slices.values())

    def check_slices(parent: Place, places: Places, run: Run) -> None:
        members: list[list[Place]] = [[] for _ in slices]
        latest, is_after_end = -1, False
        for place in places:
            own = [number for number, one in enumerate(slices) if one.matches(place, run)]
            if not own:
                is_after_end = True
                if slicing.rules == "closed":
                    message = f"belongs to no slice of {node.path}, and no others are allowed"
                    run.report("error", "structure", place, message)
                continue
            if len(own) > 1:
                names = " and ".join(slices[number].name for number in own)
                run.report("error", "structure", place, f"belongs to more than one slice: {names}")
            number = own[0]
            if is_after_end and slicing.rules == "openAtEnd":
                message = f"{slices[number].name} must stand before what belongs to no slice"
                run.report("error", "structure", place, message)
            if slicing.ordered and number < latest:
                message = f"{slices[number].name} must stand before {slices[latest].name}"
                run.report("error", "structure", place, message)
            latest = max(latest, number)
            members[number].append(place)
        for one, its in zip(slices, members, strict=True):
            _check_slice(one, parent, its, run)

    return check_slices


def _check_slice(one: _Slice, parent: Place, places: Places, run: Run) -> None:
    least, most = one.node.min or 0, one.node.max
    if len(places) < least:
        missing = Place(None, "", step=f".{one.node.name}", parent=parent)
        message = f"the profile demands at least {least} {one.name}, there are {len(places)}"
        run.report("error", "required", missing, message)
    elif most is not None and len(places) > most:
        message = f"the profile allows at most {most} {one.name}, there are {len(places)}"
        run.report("error", "structure", places[most], message)
    if one.item is not None:
        for place in places:
            one.item(place, run)
    if one.inner is not None:
        one.inner(parent, places, run)


def _slice(
    node: Node, slicing: Slicing, item: Callable[[Node], Check | None], profiles: Profiles
) -> _Slice:
    check = item(node)
    name = node.path.rpartition(".")[2]
    try:
        matches = matcher(node, slicing.discriminators, profiles)
    except NotDiscriminatingError:
        # What cannot be told by a discriminator is told by the content: what fits the slice is it.
        matches = _fitting(check)
    inner = slicing_check(node, item, profiles) if node.slices else None
    return _Slice(name, node, matches, check, inner)


def _fitting(check: Check | None) -> Matcher:
    if check is None:
        return lambda _place, _run: True
    return lambda place, run: run.passes(check, place)
