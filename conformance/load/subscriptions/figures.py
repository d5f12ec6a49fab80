"""What a load on Subscriptions amounts to: times from writes to POSTs, and whether all arrived in order. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from conformance.load.percentiles import nearest_rank, spread
from conformance.load.subscriptions.fast_receiver import Post
from conformance.subscriptions.notification import Unreadable, read

# What is asked for: commit -> POST begins (ms), what one bad endpoint may add, notifications a second.
LATENCY_MS: Final = 250.0
DELAY_BY_OTHERS_MS: Final = 100.0
NOTIFICATIONS_A_SECOND: Final = 5000.0


@dataclass(frozen=True, slots=True)
class Written:
    """When the request that wrote a resource began, and when its answer came (s)."""

    begun: float
    answered: float


@dataclass(frozen=True, slots=True)
class Told:
    """One event that arrived: where, under which number, about what, when its POST began (s)."""

    path: str
    number: int
    focus: str | None
    at: float


def told(posts: Iterable[Post]) -> list[Told]:
    """Return every event in `posts`, in the order of arrival."""
    found = []
    for post in posts:
        try:
            said = read(orjson.loads(post.body))
        except (Unreadable, orjson.JSONDecodeError):
            continue
        if said.kind == "event-notification":
            found += [Told(post.path, one.number, one.focus, post.at) for one in said.events]
    return found


def latency(written: Mapping[str, Written], arrived: Iterable[Told]) -> dict[str, Any]:
    """Return how long it took from write to the first POST that names it, by subscriber.

    The commit lies between request and answer, so it is measured from both: what is asked for holds
    surely when it holds from the request on.
    """
    first: dict[tuple[str, str], float] = {}
    for one in arrived:
        if one.focus is not None and one.focus in written:
            first.setdefault((one.path, one.focus), one.at)
    requested = [at - written[focus].begun for (_, focus), at in first.items()]
    answered = [at - written[focus].answered for (_, focus), at in first.items()]
    return {
        "events": len(written),
        "arrived": len({focus for _, focus in first}),
        "request_to_post_ms": spread(requested).as_json(),
        "answer_to_post_ms": spread(answered).as_json(),
    }


def p99_ms(figures: Mapping[str, Any]) -> float:
    """Return the p99 of `latency` from the request on; infinite when nothing arrived."""
    found = figures["request_to_post_ms"]["p99"]
    return float("inf") if found is None else float(found)


def throughput(begun: float, arrived: list[Told], posts: int) -> dict[str, Any]:
    """Return how many notifications a second were handed over since `begun` (s)."""
    seconds = max((one.at for one in arrived), default=begun) - begun
    return {
        "notifications": len(arrived),
        "posts": posts,
        "seconds": round(seconds, 2),
        "notifications_per_s": round(len(arrived) / seconds, 1) if seconds > 0 else 0.0,
        "p50_s": round(nearest_rank(sorted(one.at - begun for one in arrived), 50), 2)
        if arrived
        else None,
    }


def faults(arrived: Iterable[Told], owed: Mapping[str, int]) -> dict[str, int]:
    """Return how many events are missing, came twice, or came out of order; `owed`: how many by path."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for one in arrived:
        numbers[one.path].append(one.number)
    missing = sum(
        len(set(range(1, count + 1)) - set(numbers[path])) for path, count in owed.items()
    )
    repeated = sum(len(each) - len(set(each)) for each in numbers.values())
    first_times = {path: list(dict.fromkeys(each)) for path, each in numbers.items()}
    disordered = sum(each != sorted(each) for each in first_times.values())
    return {"missing": missing, "repeated": repeated, "disordered_subscriptions": disordered}
