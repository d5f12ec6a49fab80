"""Whether a resource conforms to profiles: those asked for, and those it claims itself.

Profiles demand things beyond the base type; `fhirserver.validation.validate` checks the base type
and is not repeated here. "Must support" is a promise between systems, not a rule about one
resource, and is left alone.

Spec: https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/resource.html#Meta.profile
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from fhirserver.definitions import Definitions
from fhirserver.kernel.errors import Problem
from fhirserver.terminology import terminology_of
from fhirserver.validation.profiles.authoring import canonical_problems
from fhirserver.validation.profiles.compiled import CompiledProfiles, profiles_of
from fhirserver.validation.profiles.extension_use import check_extensions, holds_extension
from fhirserver.validation.profiles.place import CONTAINED, RESOURCE, Place
from fhirserver.validation.profiles.run import MAX_PROBLEMS, Run

__all__ = ["MAX_PROBLEMS", "canonical_problems", "validate_profiles"]

Json = dict[str, Any]

BUNDLE, PARAMETERS = "Bundle", "Parameters"
NESTING = frozenset({BUNDLE, PARAMETERS})
"""Types whose instances hold whole resources that are not contained ones."""


def validate_profiles(
    resource: Json,
    definitions: Definitions,
    urls: Sequence[str] = (),
    *,
    now: datetime | None = None,
) -> list[Problem]:
    """Return what `resource` lacks of its profiles, located like `validate`'s problems.

    Checked are the profiles in `urls`, those that the resource and the resources in it claim in
    `meta.profile`, and every extension whose definition is loaded. A profile of `urls` that is
    not loaded is an error, a claimed one a warning: a claim is the sender's, and the resource
    may be right. `now` (aware) is what FHIRPath's now() means in a profile's invariants.
    """
    if not urls and _asks_nothing(resource):
        return []
    profiles = profiles_of(definitions)
    run = Run(
        resource,
        definitions,
        terminology=terminology_of(definitions),
        names=profiles.names,
        conforms=profiles.conforms,
        now=now,
    )
    type_ = str(resource.get("resourceType"))
    root = Place(resource, type_, step=type_)
    for url in urls:
        if profiles.is_loaded(url):
            profiles.conformance(url)(root, run)
        else:
            run.report("error", "not-found", root, f"the profile {url} is not loaded")
    for place in _resources(root):
        run.resource = place.value
        _check_claims(place, run, profiles)
        check_extensions(place, run, profiles, definitions)
    return run.found()


def _asks_nothing(resource: Json) -> bool:
    """Whether there is certainly nothing to check: by far the most common case."""
    if "contained" in resource or resource.get("resourceType") in NESTING:
        return False
    meta = resource.get("meta")
    return not (type(meta) is dict and "profile" in meta) and not holds_extension(resource)


def _check_claims(place: Place, run: Run, profiles: CompiledProfiles) -> None:
    meta = place.value.get("meta")
    claims = meta.get("profile") if type(meta) is dict else None
    if type(claims) is not list:
        return
    for index, url in enumerate(claims):
        if not isinstance(url, str):
            continue
        if profiles.is_loaded(url):
            profiles.conformance(url)(place, run)
        else:
            claim = Place(url, "canonical", step=f".meta.profile[{index}]", parent=place)
            run.report("warning", "not-found", claim, "this profile is not loaded, so not checked")


def _resources(place: Place) -> Iterator[Place]:
    """Go through a resource and those in it: contained, in a Bundle, in Parameters."""
    yield place
    value = place.value
    inner: Iterable[Place] = place.children(CONTAINED)
    if place.type == BUNDLE:
        inner = _chained(inner, place, "entry")
    elif place.type == PARAMETERS:
        inner = _chained(inner, place, "parameter")
    if "contained" in value or place.type in NESTING:
        for one in inner:
            if type(one.value) is dict:
                yield from _resources(one)


def _chained(first: Iterable[Place], place: Place, name: str) -> Iterator[Place]:
    yield from first
    for entry in place.children(((name, None, ""),)):
        yield from entry.children(RESOURCE)
        yield from _chained((), entry, "part")
