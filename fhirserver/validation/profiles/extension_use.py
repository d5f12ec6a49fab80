"""Extensions: each with a loaded definition is checked against it, wherever it stands.

Its content must conform to the definition, and it must stand where the definition's context
allows it. One without a loaded definition is told, not refused: anybody may define extensions.

Spec: https://hl7.org/fhir/R4/extensibility.html,
https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from collections.abc import Iterator
from typing import Any

from fhirserver.definitions import Definitions
from fhirserver.fhirpath import FhirPathError, compile_path
from fhirserver.validation.profiles.compiled import CompiledProfiles
from fhirserver.validation.profiles.place import (
    ANY_RESOURCE,
    EXTENSION,
    MODIFIER_EXTENSION,
    Place,
)
from fhirserver.validation.profiles.run import Run

Json = dict[str, Any]

EXTENSIONS = ("extension", "modifierExtension")


def check_extensions(
    place: Place, run: Run, profiles: CompiledProfiles, definitions: Definitions
) -> None:
    """Check every extension in the resource at `place`, inner resources excepted."""
    if holds_extension(place.value):
        _Walk(place, run, profiles, definitions).below(place, (place.type,))


def holds_extension(value: Any) -> bool:
    """Whether there is an extension anywhere below; quick, and most often not."""
    if type(value) is dict:
        if "extension" in value or "modifierExtension" in value:
            return True
        value = value.values()
    elif type(value) is not list:
        return False
    for one in value:  # noqa: SIM110 - a generator costs three times as much
        if (type(one) is dict or type(one) is list) and holds_extension(one):
            return True
    return False


Paths = tuple[str, ...]
"""The definition paths of a place: through the resource, and from the datatype it is in."""


class _Walk:
    def __init__(
        self, root: Place, run: Run, profiles: CompiledProfiles, definitions: Definitions
    ) -> None:
        self._root = root
        self._run = run
        self._profiles = profiles
        self._definitions = definitions

    def below(self, place: Place, paths: Paths) -> None:
        holder = place.value if type(place.value) is dict else place.extras
        if type(holder) is not dict:
            return
        for one in place.children(EXTENSION):
            self._extension(one, place, paths, is_modifier=False)
        for one in place.children(MODIFIER_EXTENSION):
            self._extension(one, place, paths, is_modifier=True)
        for child, child_paths in self._children(place, holder, paths):
            self.below(child, child_paths)

    def _children(self, place: Place, holder: Json, paths: Paths) -> Iterator[tuple[Place, Paths]]:
        table = self._profiles.names.table(place.type)
        for key in holder:
            plain = key.removeprefix("_")
            row = table.get(plain)
            if row is None or plain in EXTENSIONS or row[1] in ANY_RESOURCE:
                continue
            if key is not plain and plain in holder:
                continue
            element, type_ = row
            below = (f"{paths[0]}.{element}", f"{place.type}.{element}")
            for child in place.children(((plain, "_" + plain, type_),)):
                if type(child.value) is dict or child.extras is not None:
                    yield child, below

    def _extension(
        self, extension: Place, holder: Place, paths: Paths, *, is_modifier: bool
    ) -> None:
        run, value = self._run, extension.value
        if type(value) is not dict:
            return
        url = value.get("url")
        if not isinstance(url, str):
            return
        definition = self._definitions.canonical("StructureDefinition", url)
        if definition is not None and definition.get("type") == "Extension":
            self._profiles.conformance(url)(extension, run)
            if not self._is_at_home(definition, holder, paths):
                message = f"the extension {url} is not defined for this element"
                run.report("error", "structure", extension, message)
            if not is_modifier and _is_modifier(definition):
                message = f"{url} changes the meaning, so it is a modifierExtension"
                run.report("error", "structure", extension, message)
        elif ":" in url:
            message = "the definition of this extension is not loaded, its content is not checked"
            run.report("warning" if is_modifier else "information", "not-found", extension, message)
        for inner in extension.children(EXTENSION):
            if type(inner.value) is dict and ":" in str(inner.value.get("url")):
                self._extension(inner, extension, ("Extension",), is_modifier=False)
        for child, child_paths in self._children(extension, value, ("Extension",)):
            self.below(child, child_paths)

    def _is_at_home(self, definition: Json, holder: Place, paths: Paths) -> bool:
        contexts = definition.get("context")
        if not isinstance(contexts, list) or not contexts:
            return True
        # "Element" as a context means everything, resources included.
        here = {*paths, holder.type, *self._profiles.names.ancestors(holder.type), "Element"}
        return any(self._allows(one, holder, here) for one in contexts)

    def _allows(self, context: Json, holder: Place, here: set[str]) -> bool:
        expression = str(context.get("expression"))
        match context.get("type"):
            case "element":
                plain = expression.rpartition("#")[2].replace("[x]", "")
                return plain in here
            case "extension":
                value = holder.value
                return holder.type == "Extension" and value.get("url") == expression
            case _:
                return self._is_selected(expression, holder)

    def _is_selected(self, expression: str, holder: Place) -> bool:
        try:
            places = compile_path(expression).places(
                self._root.value, definitions=self._definitions
            )
        except FhirPathError:
            # A context that cannot be decided forbids nothing.
            return True
        own = holder.location().removeprefix(self._root.location())
        return self._root.type + own in places


def _is_modifier(definition: Json) -> bool:
    for part in ("snapshot", "differential"):
        rows = (definition.get(part) or {}).get("element") or [{}]
        if rows[0].get("isModifier") is True:
            return True
    return False
