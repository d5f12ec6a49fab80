"""Loaded canonical resources, by kind, URL and version, in layers.

What ships with the server is the lowest layer, installed packages lie on it, and what a tenant
stored as resources lies on top. A layer never changes; a new one is put on it.

Spec: https://hl7.org/fhir/R4/references.html#canonical
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Json = dict[str, Any]

KINDS = ("StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "SearchParameter")
"""The resource types whose instances become knowledge of the server when they are loaded."""

TOPIC = "SubscriptionTopic"
"""R4 has no such resource type: topics come in packages only, as R4B or R5 write them."""

PACKAGED = (*KINDS, TOPIC)
"""What a package may bring."""

VersionKey = list[tuple[int, int, str]]

Shelf = dict[str, dict[str, Json]]
"""By URL, then by version ("" where there is none)."""


class Canonicals:
    """The canonical resources of one layer and of those below it."""

    def __init__(self, resources: Iterable[Json], below: "Canonicals | None" = None) -> None:
        """`resources` of other kinds, or without a url, are ignored; later ones win."""
        self._below = below
        self._shelves = _shelved(resources)

    def find(self, kind: str, url: str, version: str | None = None) -> Json | None:
        """Return one resource; `url` may carry ``|version``.

        Without a version: of the highest layer that has the URL, the highest version. A version
        that is shorter than the loaded one matches its beginning ("4.0" finds "4.0.1").
        """
        url, _, stated = url.partition("|")
        version = version or stated or None
        found = self.versions(kind, url)
        if version is None:
            return max(found.items(), key=_order)[1] if found else self._deeper(kind, url, None)
        if version in found:
            return found[version]
        near = {one: what for one, what in found.items() if one.startswith(version + ".")}
        return max(near.items(), key=_order)[1] if near else self._deeper(kind, url, version)

    def versions(self, kind: str, url: str) -> dict[str, Json]:
        """Return what this layer alone holds under `url`, by version."""
        shelf = self._shelves.get(kind)
        return shelf.get(url, {}) if shelf is not None else {}

    def urls(self, kind: str) -> set[str]:
        """Return every URL of a kind, of all layers."""
        own = set(self._shelves.get(kind, ()))
        return own if self._below is None else own | self._below.urls(kind)

    def all(self, kind: str) -> Iterator[Json]:
        """Go through every resource of a kind, of all layers; one hidden by a higher layer is left out."""
        seen: set[tuple[str, str]] = set()
        for url, version, resource in self._everything(kind):
            if (url, version) not in seen:
                seen.add((url, version))
                yield resource

    def _everything(self, kind: str) -> Iterator[tuple[str, str, Json]]:
        for url, versions in self._shelves.get(kind, {}).items():
            for version, resource in versions.items():
                yield url, version, resource
        if self._below is not None:
            yield from self._below._everything(kind)  # noqa: SLF001 - of the same class

    def _deeper(self, kind: str, url: str, version: str | None) -> Json | None:
        return None if self._below is None else self._below.find(kind, url, version)


class Lazily(Canonicals):
    """A lowest layer that is read when somebody asks for the first time."""

    def __init__(self, read: Callable[[], Iterable[Json]]) -> None:
        """`read` gives the resources; it is called once."""
        super().__init__(())
        self._read: Callable[[], Iterable[Json]] | None = read

    def versions(self, kind: str, url: str) -> dict[str, Json]:
        """Return what this layer holds under `url`, by version."""
        self._fill()
        return super().versions(kind, url)

    def urls(self, kind: str) -> set[str]:
        """Return every URL of a kind."""
        self._fill()
        return super().urls(kind)

    def _everything(self, kind: str) -> Iterator[tuple[str, str, Json]]:
        self._fill()
        yield from super()._everything(kind)

    def _fill(self) -> None:
        if self._read is not None:
            self._shelves, self._read = _shelved(self._read()), None


def _shelved(resources: Iterable[Json]) -> dict[str, Shelf]:
    shelves: dict[str, Shelf] = {kind: {} for kind in PACKAGED}
    for resource in resources:
        shelf = shelves.get(str(resource.get("resourceType")))
        url = resource.get("url")
        if shelf is not None and isinstance(url, str):
            shelf.setdefault(url, {})[str(resource.get("version", ""))] = resource
    return shelves


def _order(item: tuple[str, Json]) -> VersionKey:
    return version_key(item[0])


def version_key(version: str) -> VersionKey:
    """Return a key for the natural order of versions: numbers as numbers, a release after its pre-releases."""
    release, _, pre = version.partition("-")
    parts = [_part(one) for one in re.split(r"[.+]", release)]
    return [*parts, (-1, 0, pre)] if pre else [*parts, (0, 0, "")]


def _part(text: str) -> tuple[int, int, str]:
    return (
        (1, int(text), "") if text.isascii() and text.isdigit() and len(text) < 19 else (1, 0, text)
    )
