"""Scenario 18: a thousand treatments start in the same minute. Nobody's alarm may wait for it.

A home of the storm is a clean treatment that reports at once and much; what is owed is owed to the
few homes in which something happens meanwhile (`simulator.storm`).
"""

from dataclasses import dataclass

from simulator.scenarios.clean import Clean


@dataclass
class Storm(Clean):
    """One of the many."""

    number = 18
    name = "storm"
    title = "one of a thousand treatments that start in a minute"
