"""The summary of a run, for people and as JSON."""

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from conformance.load.ingest import Result
from conformance.load.plan import Plan
from conformance.load.raw_copy import RawCopy

_MICROSECONDS: Final = 1_000_000
_WORKING: Final = ("supervisor", "worker")


def as_json(name: str, plan: Plan, result: Result, raw: RawCopy | None) -> dict[str, Any]:
    """Return everything measured."""
    report: dict[str, Any] = {
        "name": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
        "plan": asdict(plan),
        "passed": result.passed,
        "seconds": round(result.seconds, 2),
        "sent": {"messages": result.sent_messages, "observations": result.sent_observations},
        "committed": {
            "messages": result.committed_messages,
            "observations": result.committed_observations,
            "observations_per_s": round(result.observations_per_s),
            "messages_per_s": round(result.messages_per_s, 1),
        },
        "lost_messages": result.lost_messages,
        "rejected_messages": result.rejected_messages,
        "repeated_messages": result.repeated_messages,
        "reconnections": result.reconnections,
        "bad_acknowledgements": result.bad_acknowledgements,
        "publish_to_acknowledged_ms": result.latency.as_json(),
        "breaches": {
            "published": result.breaches,
            "told": result.told,
            "to_sms_handed_over_ms": result.breach_latency.as_json(),
        },
        "verified": {
            "patients": result.verified_patients,
            "violations": [str(one) for one in result.violations],
        },
        "processes": {
            process: {
                "cpu_s": used.cpu_s,
                "cpu_us_per_observation": cpu_us(used.cpu_s, result.committed_observations),
                "rss_mb": used.rss_mb,
                "pss_mb": used.pss_mb,
                "processes": used.processes,
            }
            for process, used in result.usage.items()
        },
        "server_python_rss_mb": server_memory_mb(result),
        "observations_stored_in_run": result.stored_in_run,
    }
    if raw is not None:
        report["raw_copy"] = _raw(raw, result)
    return report


def server_memory_mb(result: Result) -> float:
    """Return the resident megabytes of the server's own processes: supervisor and workers."""
    ours = (used.rss_mb for name, used in result.usage.items() if name.startswith(_WORKING))
    return round(sum(ours), 1)


def cpu_us(seconds: float, observations: int) -> float | None:
    """Return microseconds of processor time per observation."""
    return round(seconds * _MICROSECONDS / observations, 2) if observations else None


def _raw(raw: RawCopy, result: Result) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "rows": raw.rows,
        "rows_per_s": round(raw.rows_per_s),
        "batch": raw.batch,
        "bytes_a_row": round(raw.bytes_a_row),
        "index_bytes_a_row": round(raw.index_bytes_a_row),
        "synchronous_commit": raw.synchronous_commit,
        "ratio_of_rates": round(result.observations_per_s / raw.rows_per_s, 3),
    }
    postgres = result.usage.get("postgres")
    if raw.cpu_s is not None and postgres is not None and postgres.cpu_s > 0:
        raw_us = raw.cpu_s * _MICROSECONDS / raw.rows
        ours_us = postgres.cpu_s * _MICROSECONDS / max(1, result.committed_observations)
        figures["postgres_cpu_us_per_row"] = round(raw_us, 2)
        figures["ratio_of_postgres_cpu"] = round(raw_us / ours_us, 3)
    return figures


def as_text(report: dict[str, Any]) -> str:
    """Return the table printed at the end of a run."""
    rows = [
        ("committed", _committed(report)),
        ("lost", _lost(report)),
        ("publish to acknowledged", _times(report["publish_to_acknowledged_ms"])),
        ("breach to SMS handed over", _told(report["breaches"])),
        ("read back", _read_back(report["verified"])),
        *((f"  {name}", _used(used)) for name, used in report["processes"].items()),
        ("memory of the server", f"{report['server_python_rss_mb']} MB"),
    ]
    if "raw_copy" in report:
        rows.append(("raw COPY of the same rows", _copied(report["raw_copy"])))
    rows += [("VIOLATION", one) for one in report["verified"]["violations"][:20]]
    width = max(len(name) for name, _ in rows)
    verdict = "passed" if report["passed"] else "FAILED"
    title = f"{report['name']}: {verdict}"
    return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _times(times: dict[str, Any]) -> str:
    if times["p50"] is None:
        return "nothing measured"
    return f"p50 {times['p50']}  p99 {times['p99']}  max {times['max']} ms"


def _committed(report: dict[str, Any]) -> str:
    committed = report["committed"]
    rates = (
        f"{committed['observations_per_s']:,} a second, {committed['messages_per_s']:,} messages"
    )
    return f"{committed['observations']:,} observations in {report['seconds']} s: {rates}"


def _lost(report: dict[str, Any]) -> str:
    others = ("rejected_messages", "repeated_messages", "reconnections")
    counted = ", ".join(f"{report[name]} {name.replace('_', ' ')}" for name in others)
    return f"{report['lost_messages']} messages ({counted})"


def _told(breaches: dict[str, Any]) -> str:
    times = _times(breaches["to_sms_handed_over_ms"])
    return f"{times}, {breaches['told']} of {breaches['published']} told"


def _read_back(verified: dict[str, Any]) -> str:
    return f"{verified['patients']} patients, {len(verified['violations'])} violations"


def _used(used: dict[str, Any]) -> str:
    cpu = f"{used['cpu_us_per_observation']} us CPU an observation ({used['cpu_s']} s)"
    if not used["processes"]:
        return cpu
    share = "" if used["pss_mb"] is None else f" ({used['pss_mb']} MB its share)"
    return f"{cpu}, {used['rss_mb']} MB{share} in {used['processes']}"


def _copied(raw: dict[str, Any]) -> str:
    ratios = f"{raw['ratio_of_rates']} of rates, {raw.get('ratio_of_postgres_cpu', '-')} of CPU"
    return f"{raw['rows_per_s']:,} rows/s in batches of {raw['batch']}; ratio {ratios}"
