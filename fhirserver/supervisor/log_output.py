"""How log lines look: readable on a terminal, one JSON object a line everywhere else.

Log lines carry no data of people: identifiers of processes, devices and requests only.
"""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Send everything of `level` (``debug``, ``info``, ...) and above to standard error."""
    # Tracebacks never show the values of variables: those may be data of people, or secrets.
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    output: tuple[structlog.typing.Processor, ...] = (
        structlog.processors.ExceptionRenderer(frames),
        structlog.processors.JSONRenderer(),
    )
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback
        output = (structlog.dev.ConsoleRenderer(exception_formatter=plain),)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *output,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    for talkative in ("httpx", "httpcore"):  # they log every URL, and a URL may name a patient
        logging.getLogger(talkative).setLevel(logging.WARNING)
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format="%(levelname)s %(message)s")
