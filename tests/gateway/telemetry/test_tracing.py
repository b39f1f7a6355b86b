"""Spans: one a request, in the caller's trace, with what is known of it and no word of its text."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from backends.base import Operation, Usage
from gateway.errors import CannotStart
from gateway.exchange import Exchange
from gateway.telemetry.tracing import RequestTracer, otlp_exporter

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Iterator[RequestTracer]:
    tracer = RequestTracer(exporter, ratio=1.0)
    yield tracer
    tracer.close()


def served(tracer: RequestTracer, *, traceparent: bytes | None = None, **known: object) -> Exchange:
    exchange = Exchange(Operation.CHAT, started=1.0, own_id="req_1")
    exchange.traceparent = traceparent
    tracer.begin(exchange)
    exchange.model, exchange.backend, exchange.runner = "llama3", "vllm", "gpu"
    exchange.status = 200
    exchange.usage = Usage(11, 7)
    exchange.first_token = 1.5
    for name, value in known.items():
        setattr(exchange, name, value)
    tracer.end(exchange)
    return exchange


def only_span(tracer: RequestTracer, exporter: InMemorySpanExporter) -> ReadableSpan:
    tracer.close()
    (span,) = exporter.get_finished_spans()
    return span


def test_a_request_becomes_one_span_with_what_is_known_of_it(
    tracer: RequestTracer, exporter: InMemorySpanExporter
) -> None:
    served(tracer)
    span = only_span(tracer, exporter)
    assert span.name == "chat llama3"
    assert span.attributes is not None
    assert span.attributes["gen_ai.provider.name"] == "vllm"
    assert span.attributes["gen_ai.usage.input_tokens"] == 11
    assert span.attributes["gen_ai.usage.output_tokens"] == 7
    assert span.attributes["gen_ai.response.time_to_first_chunk"] == 0.5
    assert span.attributes["sluicegate.runner"] == "gpu"
    assert span.status.is_ok or span.status.is_unset


def test_the_span_continues_the_callers_trace_and_the_runner_continues_the_span(
    tracer: RequestTracer, exporter: InMemorySpanExporter
) -> None:
    exchange = served(tracer, traceparent=f"00-{TRACE}-{PARENT}-01".encode())
    span = only_span(tracer, exporter)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert exchange.traceparent == f"00-{TRACE}-{span.context.span_id:016x}-01".encode()


def test_a_failed_request_is_an_error_and_one_whose_client_left_is_not(
    tracer: RequestTracer, exporter: InMemorySpanExporter
) -> None:
    served(tracer, status=502, code="upstream_error")
    served(tracer, status=499, code="client_gone")
    tracer.close()
    failed, left = exporter.get_finished_spans()
    assert failed.status.description == "upstream_error"
    assert not failed.status.is_ok
    assert left.status.is_unset


def test_a_trace_that_is_not_sampled_still_reaches_the_runner(
    exporter: InMemorySpanExporter,
) -> None:
    tracer = RequestTracer(exporter, ratio=0.0)
    exchange = served(tracer)
    tracer.close()
    assert exporter.get_finished_spans() == ()
    assert exchange.traceparent is not None
    assert int(exchange.traceparent[-2:], 16) & 1 == 0


def test_a_collector_without_the_package_for_it_is_a_fault_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(CannotStart, match=r"pip install 'sluicegate\[otlp\]'"):
        otlp_exporter("http://127.0.0.1:4318")
