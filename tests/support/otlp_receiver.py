"""A receiver of OpenTelemetry's spans on localhost: OTLP over HTTP, as a collector takes them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class OtlpReceiver:
    """Takes spans; `bodies` has all bytes that came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    content = gzip.decompress(content)
                outer.bodies.append(content)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    @property
    def spans(self) -> list[Span]:
        """All spans that came."""
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def traces(self) -> list[dict[str, list[Span]]]:
        """The spans of each trace by their names; the trace that began first is the first."""
        traces: dict[bytes, dict[str, list[Span]]] = {}
        for span in sorted(self.spans, key=lambda span: span.start_time_unix_nano):
            traces.setdefault(span.trace_id, {}).setdefault(span.name, []).append(span)
        return [*traces.values()]


def attributes(span: Span) -> dict[str, str | int]:
    """The attributes of a span."""
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


@contextmanager
def receiving_spans() -> Iterator[OtlpReceiver]:
    """A receiver at work."""
    receiver = OtlpReceiver()
    threading.Thread(target=receiver.http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.http.shutdown()
        receiver.http.server_close()
