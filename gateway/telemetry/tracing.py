"""One OpenTelemetry span for each request, from its first byte to its last, queue included.

Attributes follow the GenAI semantic conventions where they name something. No attribute ever holds
prompt or completion text. Without a collector in the configuration none of this is imported.
"""

from __future__ import annotations

from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from backends.base import Operation
from gateway import __version__
from gateway.errors import CannotStart
from gateway.exchange import Exchange

_OPERATIONS = {
    Operation.CHAT: "chat",
    Operation.COMPLETIONS: "text_completion",
    Operation.EMBEDDINGS: "embeddings",
}


class Tracer(Protocol):
    """Follows requests."""

    def begin(self, exchange: Exchange) -> None:
        """Open the span of a request and let its runner see it (`traceparent`)."""
        ...

    def end(self, exchange: Exchange) -> None:
        """Close it, with what became of the request."""
        ...

    def close(self) -> None:
        """Send what is pending; bounded in time."""
        ...


def otlp_exporter(endpoint: str) -> SpanExporter:
    """The exporter for a collector. Raises `CannotStart`."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise CannotStart(
            f"tracing.endpoint is {endpoint}, but the exporter is not installed. "
            "Install it: pip install 'sluicegate[otlp]'"
        ) from error
    return OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")


class RequestTracer:
    """Spans through the OpenTelemetry SDK, sent in batches by a thread of its own."""

    def __init__(self, exporter: SpanExporter, *, ratio: float) -> None:
        self._provider = TracerProvider(
            resource=Resource({SERVICE_NAME: "sluicegate", SERVICE_VERSION: __version__}),
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("sluicegate", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, exchange: Exchange) -> None:
        """See `Tracer.begin`."""
        incoming = exchange.traceparent
        carrier = {} if incoming is None else {"traceparent": incoming.decode("ascii")}
        span = self._tracer.start_span(
            _OPERATIONS[exchange.operation],
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
        )
        outgoing: dict[str, str] = {}
        self._propagator.inject(outgoing, context=trace.set_span_in_context(span))
        exchange.span = span
        exchange.traceparent = outgoing["traceparent"].encode("ascii")

    def end(self, exchange: Exchange) -> None:
        """See `Tracer.end`."""
        span: trace.Span = exchange.span
        if span.is_recording():
            if exchange.model is not None:
                span.update_name(f"{_OPERATIONS[exchange.operation]} {exchange.model}")
            span.set_attributes(_attributes(exchange))
            if exchange.code is not None and exchange.code != "client_gone":
                span.set_status(Status(StatusCode.ERROR, exchange.code))
        span.end()

    def close(self) -> None:
        """See `Tracer.close`."""
        self._provider.force_flush(timeout_millis=2000)
        self._provider.shutdown()


def _attributes(exchange: Exchange) -> dict[str, Any]:
    usage = exchange.usage
    found: dict[str, Any] = {
        "gen_ai.operation.name": _OPERATIONS[exchange.operation],
        "gen_ai.provider.name": exchange.backend,
        "gen_ai.request.model": exchange.model,
        "gen_ai.request.stream": exchange.stream,
        "gen_ai.usage.input_tokens": usage.prompt_tokens if usage else None,
        "gen_ai.usage.output_tokens": usage.completion_tokens if usage else None,
        "http.response.status_code": exchange.status,
        "error.type": exchange.code,
        "sluicegate.request_id": exchange.request_id,
        "sluicegate.runner": exchange.runner,
        "sluicegate.tenant": exchange.tenant,
        "sluicegate.attempts": exchange.attempts,
        "sluicegate.queue_s": exchange.queue_s,
    }
    if exchange.first_token is not None:
        found["gen_ai.response.time_to_first_chunk"] = exchange.first_token - exchange.started
    return {name: value for name, value in found.items() if value is not None}
