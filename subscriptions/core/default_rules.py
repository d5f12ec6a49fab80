"""The default rules, compiled once for all patients nobody ordered anything for. Pure.

Most patients have no rules of their own but the limits their machines announce, and each machine has others. These speak
of a few parameters: what is watched about all others is the same for everybody, and shared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from subscriptions.core.dry_weight import weighed
from subscriptions.core.rule import DryWeight, Rule, RuleSet, Watch
from subscriptions.core.rules import (
    compile_rules,
    counting,
    feeds_of,
    flow_of,
    limited,
    next_boundary,
    watch_of,
)


class DefaultRules:
    """The default rules of a tenant as they are in force at a moment, and until `valid_until` of `alone`.

    `alone` holds for who has no rules of their own.
    """

    def __init__(self, rules: Sequence[Rule], now: datetime) -> None:
        """Compile `rules` as of `now`."""
        self._rules = tuple(rules)
        self._made = now
        self.alone = compile_rules((), rules, now)
        self._feeds = feeds_of(self.alone.trends)
        self._of_parameter: dict[str, list[Rule]] = {}
        for rule in weighed(rules, None):
            if rule.active(now):
                self._of_parameter.setdefault(rule.parameter, []).append(rule)

    def hold(self, now: datetime) -> bool:
        """Return whether the same of them are in force `now`."""
        until = self.alone.valid_until
        return self._made <= now and (until is None or now < until)

    def under(self, own: Sequence[Rule], now: datetime, weight: DryWeight | None = None) -> RuleSet:
        """Return what `compile_rules` returns of `own` rules over these; they `hold` now."""
        if weight is None and all(rule.announced is not None for rule in own):
            found = self._with_machines(list(weighed(own, None)), now)
            if found is not None:
                return found
        return compile_rules(own, self._rules, now, weight)

    def _with_machines(self, own: Sequence[Rule], now: datetime) -> RuleSet | None:
        """Return the rules in force with machines' limits; None where their codes say something else by default."""
        machine = [rule for rule in own if rule.active(now)]
        changed = self._changed(machine)
        watches = dict(self.alone.watches)
        for code, watch in changed.items():
            known = watches.get(code)
            if known is not None and known.parameter != watch.parameter:
                return None
            watches[code] = watch
        until = [
            one for one in (self.alone.valid_until, next_boundary(own, now)) if one is not None
        ]
        return replace(
            self.alone,
            watches=watches,
            valid_until=min(until, default=None),
            sources=self.alone.sources | counting(changed.values()),
            limited=limited(changed.values()),
        )

    def _changed(self, machine: Sequence[Rule]) -> Mapping[str, Watch]:
        """Return by code the watches that are others than by default."""
        changed: dict[str, Watch] = {}
        for name in dict.fromkeys(rule.parameter for rule in machine):
            its = [rule for rule in machine if rule.parameter == name]
            theirs = self._of_parameter.get(name, [])
            watch = replace(
                watch_of(name, [], theirs, [], its),
                interval=self.alone.intervals.get(name),
                feeds=self._feeds.get(name, ()),
            )
            codes = [code for rule in (*theirs, *its) for code in rule.codes]
            codes += [code for code, known in self.alone.watches.items() if known.parameter == name]
            changed.update(dict.fromkeys(codes, watch))
        for its_codes, flow in flow_of(machine):
            known = {
                one.parameter: one for one in (*self.alone.watches.values(), *changed.values())
            }
            fed = replace(flow, feeds=self._feeds.get(flow.parameter, ()))
            watch = known.get(flow.parameter, fed)
            for code in its_codes:
                if code not in self.alone.watches:
                    changed.setdefault(code, watch)
        return changed
