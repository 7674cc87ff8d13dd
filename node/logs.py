"""How a peer's own process writes its log: to standard error, one event a line.

Laws: text for people, JSON (one object a line) for machines; what libraries log through `logging` comes in the same
form. A peer inside another program never touches that program's logging.
"""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

Form = Literal["text", "json"]


def write_logs(form: Form) -> None:
    """To be called once, at the start of the process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending = _ending(form)
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    removed = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[removed, *ending]))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _ending(form: Form) -> list[Processor]:
    if form == "json":
        return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(sort_keys=True)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain, pad_event_to=28)]
