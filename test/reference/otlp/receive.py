"""A receiver of OTLP/HTTP JSON that parses strictly by the published protobuf definitions: ids from hex, unknown fields refused.

Prints one line a request and ends after the number of requests that is given.
"""
import base64, gzip, json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

left = int(sys.argv[2])


def from_hex(span):
    for field in ("traceId", "spanId", "parentSpanId"):
        if field in span:
            span[field] = base64.b64encode(bytes.fromhex(span[field])).decode()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        global left
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        document = json.loads(body)
        for resource in document["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    from_hex(span)
        request = json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=False)
        spans = [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
        for s in spans:
            assert len(s.trace_id) == 16 and len(s.span_id) == 8 and s.end_time_unix_nano >= s.start_time_unix_nano
        print(self.path, len(spans), sorted({s.name for s in spans}), flush=True)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")
        left -= 1

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
while left > 0:
    server.handle_request()
