"""The topics this server offers, found by what a Subscription names and by what was written."""

from collections.abc import Iterable, Mapping, Sequence

from subscriptions.core.topic import BadTopic, Topic


class Catalog:
    """Topics by canonical URL, with and without version, and by the types they watch."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        """Index `topics`; two with one URL raise `BadTopic`."""
        self._by_url: dict[str, Topic] = {}
        by_type: dict[str, list[Topic]] = {}
        for topic in topics:
            if topic.url in self._by_url:
                raise BadTopic(f"{topic.url} is defined twice")
            self._by_url[topic.url] = topic
            for type_ in topic.types:
                by_type.setdefault(type_, []).append(topic)
        self._by_type: Mapping[str, Sequence[Topic]] = by_type

    def find(self, canonical: str) -> Topic | None:
        """Return the topic a Subscription's criteria names; a ``|version`` must be ours."""
        url, mark, version = canonical.partition("|")
        topic = self._by_url.get(url)
        return None if topic is None or (mark and version != topic.version) else topic

    def watching(self, type_: str) -> Sequence[Topic]:
        """Return the topics that a change of this resource type may fire."""
        return self._by_type.get(type_, ())

    @property
    def urls(self) -> tuple[str, ...]:
        """Return every canonical, for the CapabilityStatement."""
        return tuple(sorted(self._by_url))
