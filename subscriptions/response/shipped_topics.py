"""The topics that come with the product: ``subscriptions/content/topics/*.json``."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from subscriptions.core.topic import topic_of
from subscriptions.core.topic_catalog import Catalog


def shipped() -> Catalog:
    """Return the topics that come with the product. Raises `BadTopic` when one cannot be used."""
    folder = files("subscriptions.content").joinpath("topics")
    contents: list[Mapping[str, Any]] = [
        json.loads(entry.read_text("utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
    ]
    return Catalog(topic_of(content) for content in contents)
