"""The topics that come with the product: ``subscriptions/content/topics/*.json``."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

import structlog

from fhirserver.definitions import Definitions, load
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.core.topic_catalog import Catalog, Topics, topic_problems
from subscriptions.core.topic_reader import topic_of

log = structlog.get_logger(__name__)


@cache
def contents() -> Sequence[Json]:
    """Return the SubscriptionTopics that come with the product, in the order of their names."""
    folder = files("subscriptions.content").joinpath("topics")
    return tuple(
        json.loads(entry.read_text("utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
    )


def topics(definitions_of: Callable[[int], Definitions], base: str) -> Topics:
    """Return every tenant's topics: ours and those of packages; a bad one is logged and left out."""
    return Topics(definitions_of, base, contents(), _warn)


def shipped() -> Catalog:
    """Return ours alone, on R4's definitions. Raises `BadTopic` when one cannot be used."""
    return Catalog(topic_of(content, load()) for content in contents())


def check_topic(content: Json, definitions: Definitions) -> list[Problem]:
    """Return why a SubscriptionTopic of a package cannot be used here; none when it can."""
    return topic_problems(content, definitions, {one["url"]: one for one in contents()})


def _warn(message: str) -> None:
    log.warning("a topic is left out: it cannot be used", reason=message)
