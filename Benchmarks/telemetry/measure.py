# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Measures what telemetry costs: measure.py LOAD ALLOCATIONS MEDBUILDER [metrics|logs|server]...

Every figure is a median. The last lines are for machines:

    RESULT name=… ours=… peer=… ratio=… target=… met=yes|no
"""

import functools
import io
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import common
from common import Server, wrk

LOAD, ALLOCATIONS, MEDBUILDER = map(os.path.abspath, sys.argv[1:4])
PARTS = sys.argv[4:] or ["metrics", "logs", "server"]
RUNS = 5
SERIES = 10_000
PAIRS = 9
SECONDS = 3

report = functools.partial(common.report, digits=2)


def run_load(**environment):
    """Nanoseconds and allocations by name."""
    text = subprocess.run([LOAD], check=True, capture_output=True, text=True, env=os.environ | environment).stdout
    return {name: (float(nanoseconds), float(asked)) for name, nanoseconds, asked in map(str.split, text.splitlines())}


def median_seconds(body, count):
    rounds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in range(count):
            body()
        rounds.append((time.perf_counter() - began) / count)
    return statistics.median(rounds)


def python_page():
    """Seconds that PyPI's prometheus-client takes for the same page."""
    from prometheus_client import CollectorRegistry, Counter, generate_latest

    registry = CollectorRegistry()
    requests = Counter("http_requests", "Requests.", ["method", "route", "status"], registry=registry)
    for number in range(SERIES):
        requests.labels("GET", f"/resources/{number}/{{id}}", "200").inc(number)
    return median_seconds(lambda: generate_latest(registry), 2)


def python_line():
    """Seconds that PyPI's ecs-logging takes for the same line."""
    import ecs_logging

    logger = logging.Logger("bench")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(ecs_logging.StdlibFormatter())
        logger.addHandler(handler)
        fields = {
            "http.request.method": "GET", "http.route": "/patients/{id}", "http.response.status_code": "200",
            "http.request.id": "0af7651916cd43dd8448eb211c80319c", "trace.id": "0af7651916cd43dd8448eb211c80319c",
            "span.id": "b7ad6b7169203331", "event.duration": "1234", "url.scheme": "https", "user.role": "nurse",
            "http.response.body.bytes": "2417",
        }
        return median_seconds(lambda: logger.info("Request answered", extra=fields), 5_000)


class Sink(BaseHTTPRequestHandler):
    """A collector that takes everything and keeps nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def measure_server():
    # In a process of its own: what it takes of the processor is no part of what the load maker takes.
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    drills = {"DRILL_ROUTES": "on"}
    off = drills | {"METRICS": "off", "LOG_LEVEL": "info,medbuilder.access=error"}
    usual = drills | endpoint | {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01", "OTEL_LOGS_EXPORTER": "none",
    }
    for name, settings, target in (("usual", usual, 0.9), ("everything", drills | endpoint, None)):
        with tempfile.TemporaryDirectory() as folder:
            with Server([MEDBUILDER], f"{folder}/on", **settings) as on, Server([MEDBUILDER], f"{folder}/off", **off) as bare:
                rate, processor = common.compare(
                    name, *((server, wrk(server, "/_drill/hello", SECONDS)) for server in (on, bare)), PAIRS)
        if target:
            report(f"telemetry-{name}-requests-per-second", rate[0], target, rate[1], rate[2], at_least=True)
        print(f"{name}: {rate[2]:.3f} of the requests per second of all off, {processor[2]:.2f} times the processor time")
    collector.shutdown()


def main():
    if "metrics" in PARTS or "logs" in PARTS:
        runs = [run_load() for _ in range(RUNS)]
        ours = {name: statistics.median(run[name][0] for run in runs) for name in runs[0]}
        asked = {name: value[1] for name, value in run_load(LD_PRELOAD=ALLOCATIONS).items()}
        for name in ours:
            print(f"{name:20} {ours[name]:14.1f} ns {asked[name]:10.3f} allocations")
    if "metrics" in PARTS:
        report("counter-nanoseconds", ours["counter"], 10)
        report("counter-allocations", asked["counter"], 0)
        report("counter-4-threads-nanoseconds", ours["counter-4-threads"], 20)
        report("histogram-nanoseconds", ours["histogram"], 25)
        report("histogram-native-nanoseconds", ours["histogram-native"], 25)
        report("histogram-allocations", asked["histogram"], 0)
        page, theirs = ours["page-text"] / 1e6, python_page() * 1e3
        report("page-10000-milliseconds", page, 5)
        report("page-10000-allocations", asked["page-text"], 0)
        report("page-10000-against-prometheus-client", page, 20, theirs, theirs / page, at_least=True)
        report("page-10000-openmetrics-milliseconds", ours["page-openmetrics"] / 1e6, 5)
        report("page-10000-protobuf-milliseconds", ours["page-protobuf"] / 1e6, 5)
    if "logs" in PARTS:
        report("log-disabled-nanoseconds", ours["log-disabled"], 3, ours["log-disabled-stream"])
        line = ours["log-line"] / 1e3
        report("log-line-microseconds", line, 1)
        report("log-line-prepared-microseconds", ours["log-line-prepared"] / 1e3, 1)
        report("log-line-against-ecs-logging", line, 1, python_line() * 1e6, line / (python_line() * 1e6))
        report("log-line-against-stream-handler", line, 1, ours["log-line-stream"] / 1e3, ours["log-line"] / ours["log-line-stream"])
    if "server" in PARTS:
        measure_server()
    print("\n".join(common.results))


main()
