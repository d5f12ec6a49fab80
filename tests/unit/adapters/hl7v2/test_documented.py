"""docs/hl7v2.md says what there is: its examples load, its tables name every step, and what is shipped is sound."""

import re

import pytest

from adapters.hl7v2 import sites
from adapters.hl7v2.mapping import source
from adapters.hl7v2.mapping.steps import SIMPLE
from adapters.metrics import METRICS, unit_of
from tests.architecture.repository import rows, text

PAGE = "docs/hl7v2.md"
EXAMPLES = [one.encode() for one in re.findall(r"```yaml\n(.*?)```", text(PAGE), re.DOTALL)]


def test_the_examples_load() -> None:
    named = [(f"example {number}", one) for number, one in enumerate(EXAMPLES)]
    found = sites.load(named)
    assert "ward-visits" in found.plans.of("ADT^A31")
    assert [one.name for one in found.senders] == ["engine-1"]


def test_every_step_is_told() -> None:
    table = (" ".join(row[:1]) for row in rows(PAGE, "### Steps"))
    told = {word for cell in table for word in re.findall(r"`([a-zA-Z0-9-]+)[ `]", cell)}
    assert {*SIMPLE, "table", "use", "default"} <= told


@pytest.mark.parametrize("spelling", sorted(source.together(source.shipped())["units"]))
def test_every_spelling_of_a_unit_is_one_we_measure_in(spelling: str) -> None:
    (default,) = sites.load(unknown="accept").senders
    assert default.unit(spelling) in {unit_of(metric.unit) for metric in METRICS.values()}
