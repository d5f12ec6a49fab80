"""The profiles of one set of definitions, each compiled when first used and kept.

Spec: https://hl7.org/fhir/R4/profiling.html
"""

from fhirserver.definitions import Definitions
from fhirserver.validation.profiles.element import Compiler
from fhirserver.validation.profiles.node import Node
from fhirserver.validation.profiles.place import ElementNames, Place
from fhirserver.validation.profiles.run import Check, Run
from fhirserver.validation.profiles.snapshot import Snapshot, is_type, take_snapshot, type_of


class CompiledProfiles:
    """Compiles profiles on demand; safe to share, since what is compiled never changes."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self.names = ElementNames(definitions)
        self._snapshots: dict[str, Snapshot] = {}
        self._checks: dict[str, Check] = {}

    def snapshot(self, url: str) -> Snapshot | None:
        """Return the tree of a loaded profile, None for an unknown one and for R4's own types."""
        found = self._snapshots.get(url)
        if found is None:
            definition = self._definitions.canonical("StructureDefinition", url)
            if definition is None:
                return None
            found = self._snapshots[url] = take_snapshot(definition, self._definitions)
        return found

    def type_named(self, url: str) -> str | None:
        """Return the type a canonical is about, None when it is not loaded."""
        if is_type(url, self._definitions):
            return type_of(url)
        definition = self._definitions.canonical("StructureDefinition", url)
        return None if definition is None else str(definition.get("type"))

    def is_loaded(self, url: str) -> bool:
        """Whether `url` is a loaded profile or an R4 type."""
        return self.type_named(url) is not None

    def item_check(self, node: Node) -> Check:
        """Return the check of one value against a node."""
        return Compiler(node, self._definitions, self).item(node) or _accept

    def conforms(self, place: Place, url: str, run: Run) -> bool:
        """Whether a value conforms to a profile; True for one that is not loaded."""
        key = (url, id(place.value))
        found = run.conforming.get(key)
        if found is None:
            # A profile that leads back to itself with the same value holds unless it fails elsewhere.
            run.conforming[key] = True
            found = run.conforming[key] = run.passes(self.conformance(url), place)
        return found

    def conformance(self, url: str) -> Check:
        """Return the check of a value against a profile; it compiles itself when first called.

        A profile that is not loaded is a warning.
        """
        found = self._checks.get(url)
        if found is None:
            found = self._lazily(url)
            if self.is_loaded(url):
                self._checks[url] = found
        return found

    def _lazily(self, url: str) -> Check:
        compiled: list[Check] = []

        def check_profile(place: Place, run: Run) -> None:
            if not compiled:
                compiled.append(self._compile(url))
            compiled[0](place, run)

        return check_profile

    def _compile(self, url: str) -> Check:
        type_ = self.type_named(url)
        if type_ is None:
            return _unknown(url)
        snapshot = self.snapshot(url)
        content: Check = _accept
        if snapshot is not None:
            compiler = Compiler(snapshot.root, self._definitions, self)
            content = compiler.item(snapshot.root) or _accept
        names = self.names

        def check_typed(place: Place, run: Run) -> None:
            if place.type != type_ and type_ not in names.ancestors(place.type):
                message = f"{url} is a profile on {type_}, not on this type"
                run.report("error", "structure", place, message)
                return
            content(place, run)

        return check_typed


def profiles_of(definitions: Definitions) -> CompiledProfiles:
    """Return the compiled profiles of `definitions`; the same object for the same definitions."""
    return definitions.derived(CompiledProfiles)


def _accept(_place: Place, _run: Run) -> None:
    return


def _unknown(url: str) -> Check:
    def report_unknown(place: Place, run: Run) -> None:
        run.report("warning", "not-found", place, f"the profile {url} is not loaded")

    return report_unknown
