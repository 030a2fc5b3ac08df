# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Says whether bodies of OTLP requests are what OpenTelemetry's own descriptions of the protocol say (PyPI: opentelemetry-proto).

    otlp.py FILE

Every line of FILE is a JSON object, of which all but the first three may be left out:

    signal       "traces", "metrics" or "logs"
    contentType  "application/x-protobuf" or "application/json"
    body         the body in base64
    encoding     "gzip" if the body is compressed
    pair         all lines that have the same one must say the same
    maxBytes     how long the body may be, as it came
    maxText      how many characters a text may have
    delta        whether counts are to be those since the last report

Prints one line of JSON, {"bodies": N, "pairs": N, "items": {"traces": N, ...}}, and ends with 0; or a line for each
finding on standard error, and ends with 1. Field names or numbers that the protocol does not have are findings.
"""
import base64
import gzip
import json
import sys

from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
IDENTIFIERS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
LONG = {
    "intValue", "asInt", "count", "zeroCount", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano",
    "observedTimeUnixNano",
}
ENUMERATIONS = {"kind", "code", "aggregationTemporality", "severityNumber"}


def converted(value, name=""):
    """The JSON form of OTLP in that of protocol buffers, where identifiers are base64; checks what only OTLP demands."""
    if isinstance(value, dict):
        return {key: converted(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [converted(inner, name) for inner in value]
    if name in IDENTIFIERS:
        raw = bytes.fromhex(value)
        if len(raw) != IDENTIFIERS[name] or value != value.lower():
            raise ValueError(f"{name} is not {IDENTIFIERS[name]} bytes in lower-case hexadecimal")
        return base64.b64encode(raw).decode()
    if name in LONG and not isinstance(value, str):
        raise ValueError(f"{name} has 64 bits and is no string")
    if name in ENUMERATIONS and not isinstance(value, int):
        raise ValueError(f"{name} is an enumeration and no integer")
    return value


def unknown(message):
    """Whether there are field numbers that the descriptions do not have."""
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is not None:
            if any(unknown(one) for one in (value if field.is_repeated else [value])):
                return True
    return False


def parsed(signal, content_type, body):
    request = REQUESTS[signal]()
    if content_type == "application/x-protobuf":
        request.ParseFromString(body)
        if unknown(request):
            raise ValueError("a field number that the protocol does not have")
    elif content_type == "application/json":
        json_format.ParseDict(converted(json.loads(body)), request, ignore_unknown_fields=False)
    else:
        raise ValueError("another content type")
    return request


def texts(message):
    """All texts of a message and of those in it."""
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if field.message_type is not None:
                yield from texts(one)
            elif isinstance(one, str):
                yield one


def cumulative(request):
    """The names of metrics that count from the start of the process, although they can only grow."""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                grows = kind in ("histogram", "exponential_histogram") or kind == "sum" and data.is_monotonic
                if grows and data.aggregation_temporality != metrics_pb2.AGGREGATION_TEMPORALITY_DELTA:
                    yield metric.name


def check_intake(entry, body, request):
    """What an intake demands beyond the protocol."""
    if "maxBytes" in entry and len(body) > entry["maxBytes"]:
        raise ValueError(f"{len(body)} bytes")
    if "maxText" in entry and (longest := max(map(len, texts(request)), default=0)) > entry["maxText"]:
        raise ValueError(f"a text of {longest} characters")
    if entry.get("delta") and entry["signal"] == "metrics" and (names := list(cumulative(request))):
        raise ValueError(f"not since the last report: {', '.join(names)}")


def count(signal, request):
    if signal == "traces":
        return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    if signal == "metrics":
        return sum(len(scope.metrics) for resource in request.resource_metrics for scope in resource.scope_metrics)
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def main():
    findings, pairs = [], {}
    bodies, items = 0, dict.fromkeys(REQUESTS, 0)
    with open(sys.argv[1], encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            entry = json.loads(line)
            try:
                body = base64.b64decode(entry["body"])
                plain = gzip.decompress(body) if entry.get("encoding") == "gzip" else body
                request = parsed(entry["signal"], entry["contentType"], plain)
                check_intake(entry, body, request)
            except Exception as error:  # Whatever the parser says is a finding.
                findings.append(f"line {number}: {type(error).__name__}: {str(error)[:300]}")
                continue
            bodies += 1
            items[entry["signal"]] += count(entry["signal"], request)
            # NaN is not equal to itself: compared as bytes.
            text = request.SerializeToString(deterministic=True)
            if "pair" in entry and pairs.setdefault(entry["pair"], text) != text:
                findings.append(f"line {number}: says something else than the other of its pair")
    if bodies == 0:
        findings.append("there is no body")
    for finding in findings:
        print(finding, file=sys.stderr)
    print(json.dumps({"bodies": bodies, "pairs": len(pairs), "items": items}))
    return 1 if findings else 0


sys.exit(main())
