"""Spans of OpenTelemetry: from a request through SQL to the call of a model; never what was said.

Nothing is traced before `begin`, and then only where the usual OTEL_* variables ask for it. The
spans go to a provider of this module and not to the global one: what other libraries would report
there quotes prompts, answers and errors. For the same reason a span of an error has its kind alone.
"""

import os
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from typing import Any, Literal, Self

from memory.system.logs import clean_logger

Kind = Literal["internal", "server", "client"]
Value = str | int | float
# Any of these asks for spans.
_ASKING = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_NAME = "sql-memory"

_log = clean_logger("memory.tracing")
_provider: Any = None
tracer: Any = None  # as long as nothing is traced
# Ours, not OpenTelemetry's, where other libraries put spans that are never sent.
_current: ContextVar[Any] = ContextVar("span", default=None)


class Span:
    """What traces a block of code: nothing if it is not traced."""

    is_traced = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def set(self, name: str, value: Value) -> None:
        """Set an attribute."""

    def rename(self, name: str) -> None:
        """Give the span the name that was not known at its beginning."""

    @property
    def trace_id(self) -> str:
        """The number of its trace, in hex; "" if nothing is traced."""
        return ""


_NOTHING = Span()


class _RealSpan(Span):
    """A span that is sent."""

    is_traced = True

    def __init__(self, span: Any) -> None:
        self._span = span
        self._token: Token[Any] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self._span)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._token is not None
        _current.reset(self._token)
        if isinstance(exc[0], type):
            self._fail(exc[0].__name__)
        self._span.end()

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    def _fail(self, kind: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR)


def begin() -> None:
    """Trace from now on, where OTEL_* variables of the environment ask for it."""
    global _provider, tracer
    if tracer is not None or not _is_wanted():
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        _log.warning(
            "OTEL_* asks for traces, which need more packages: pip install '.[otel]' in the clone"
        )
        return
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or _NAME})
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = _provider.get_tracer(_NAME)


def end() -> None:
    """Send what is left, and trace no more."""
    global _provider, tracer
    provider, _provider, tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def _is_wanted() -> bool:
    environ = os.environ
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter == "none" or not any(environ.get(name) for name in _ASKING):
        return False
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), _PROTOCOL)
    if exporter not in ("", "otlp") or protocol != _PROTOCOL:
        _log.warning("traces are sent by otlp over %s alone; none are sent", _PROTOCOL)
        return False
    return True


def root(
    name: str,
    attributes: Mapping[str, Value] | None = None,
    *,
    kind: Kind = "internal",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> Span:
    """A span that begins a trace, or goes on with that of a request's headers (W3C)."""
    if tracer is None:
        return _NOTHING
    from opentelemetry.context import Context
    from opentelemetry.propagate import extract

    carrier = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in headers}
    return _started(name, attributes, kind, extract(carrier, Context()))


def span(
    name: str, attributes: Mapping[str, Value] | None = None, *, kind: Kind = "internal"
) -> Span:
    """A span within the current one; nothing if there is none, or it is not sampled."""
    if tracer is None:
        return _NOTHING
    parent = _current.get()
    if parent is None or not parent.is_recording():
        return _NOTHING
    from opentelemetry.trace import set_span_in_context

    return _started(name, attributes, kind, set_span_in_context(parent))


def _started(
    name: str, attributes: Mapping[str, Value] | None, kind: Kind, context: Any
) -> _RealSpan:
    from opentelemetry.trace import SpanKind

    return _RealSpan(
        tracer.start_span(
            name, context=context, kind=SpanKind[kind.upper()], attributes=dict(attributes or {})
        )
    )
