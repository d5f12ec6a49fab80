"""The topics a tenant has: those that ship and those of installed packages.

A topic that cannot be used is left out and told of, never an error: a package that was installed
by an older release must not keep a server from starting.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from fhirserver.definitions import Definitions
from fhirserver.definitions.canonicals import TOPIC, version_key
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.core.topic import BadTopic, Topic
from subscriptions.core.topic_reader import is_retired, topic_of

_OURS: Final = "this topic comes with the server and cannot be replaced"


class Catalog:
    """Topics by canonical URL, with and without version, and by the types they watch.

    Several versions of a topic may be there; a Subscription that names none means the newest.
    """

    def __init__(self, topics: Iterable[Topic]) -> None:
        """Index `topics`; two with one URL and version raise `BadTopic`."""
        self._versions: dict[str, dict[str, Topic]] = {}
        for topic in topics:
            versions = self._versions.setdefault(topic.url, {})
            if topic.version in versions:
                raise BadTopic(f"{topic.url}|{topic.version} is defined twice")
            versions[topic.version] = topic
        self._newest = {
            url: max(versions.values(), key=lambda one: version_key(one.version))
            for url, versions in self._versions.items()
        }
        self._by_type: dict[str, Sequence[Topic]] = {}

    def find(self, canonical: str) -> Topic | None:
        """Return the topic a Subscription's criteria names, None for one that is not here."""
        url, mark, version = canonical.partition("|")
        return self._versions.get(url, {}).get(version) if mark else self._newest.get(url)

    def watching(self, type_: str) -> Sequence[Topic]:
        """Return the topics, in all versions, that a change of this resource type may fire."""
        found = self._by_type.get(type_)
        if found is None:
            every = (one for versions in self._versions.values() for one in versions.values())
            found = self._by_type[type_] = tuple(one for one in every if one.watches(type_))
        return found

    @property
    def urls(self) -> tuple[str, ...]:
        """Return every canonical a client may subscribe to, without versions, in order."""
        return tuple(sorted(url for url, one in self._newest.items() if not one.is_internal))


class Topics:
    """Every tenant's catalog, made when it is first asked for and again when definitions change."""

    def __init__(
        self,
        definitions_of: Callable[[int], Definitions],
        base: str,
        shipped: Sequence[Json],
        warn: Callable[[str], None],
    ) -> None:
        """`base` is the FHIR base URL, `shipped` the topics every tenant has.

        `warn` is told of each topic that is left out.
        """
        self._definitions_of = definitions_of
        self._base = base
        self._shipped = shipped
        self._warn = warn

    def of(self, tenant: int) -> Catalog:
        """Return the catalog of a tenant as its definitions are now."""
        return self.of_definitions(self._definitions_of(tenant))

    def of_definitions(self, definitions: Definitions) -> Catalog:
        """Return the catalog that goes with these definitions."""
        return definitions.derived(self._catalog)

    def _catalog(self, definitions: Definitions) -> Catalog:
        ours = {one["url"] for one in self._shipped}
        contents = list(self._shipped)
        for content in definitions.canonicals(TOPIC):
            if content["url"] in ours:
                self._warn(f"{content['url']}: {_OURS}")
            elif not is_retired(content):
                contents.append(content)
        return Catalog(self._usable(contents, definitions))

    def _usable(self, contents: Iterable[Json], definitions: Definitions) -> Iterator[Topic]:
        for content in contents:
            try:
                yield topic_of(content, definitions, self._base)
            except BadTopic as problem:
                self._warn(str(problem))


def topic_problems(
    content: Json, definitions: Definitions, shipped: Mapping[str, Json]
) -> list[Problem]:
    """Return why a topic in a package cannot be used, none when it can.

    `definitions` already hold what its package brings; `shipped` are our own topics by URL.
    """
    try:
        topic = topic_of(content, definitions)
    except BadTopic as problem:
        return [_problem(str(problem))]
    if topic.url in shipped:
        return [_problem(_OURS)]
    return []


def _problem(message: str) -> Problem:
    return Problem("error", "not-supported", TOPIC, message)
