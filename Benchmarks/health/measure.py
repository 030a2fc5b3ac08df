# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Measures what probes, TLS, HTTP/2, idle connections and the status page cost:

    measure.py MEDBUILDER PEER [checks] [health] [protocols] [idle]

PEER is a bare Hummingbird with the same settings (Sources/peer). Both run at once and are loaded in turn, in short runs
that change places from pair to pair, so that a machine that gets slower slows both; what counts is the median of the
pairs' ratios. Their quartiles show the noise. The last lines are for machines:

    RESULT name=… ours=… peer=… ratio=… target=… met=yes|no
"""

import contextlib
import os
import re
import resource
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

import common
from common import CONNECTIONS, Server, compare, make_load, report, wrk

SECONDS = 1
PAIRS = 20
PAIRS_FOR_INFORMATION = 10
# HTTP/2: as many requests at once as there are connections of HTTP/1.1, over fewer connections.
HTTP2_CONNECTIONS = 8
HTTP2_STREAMS = CONNECTIONS // HTTP2_CONNECTIONS

# Long enough for the check with the longest interval, which is 30 s, to run twice.
PROBED_SECONDS = 60
PROBES_A_SECOND = 10_000
PROBERS = 20
# The intervals of the checks are drawn anew for each run, so that of 60 there may be one more or one less.
CHECKS_TOLERANCE = 1.05

IDLE_CONNECTIONS = 10_000
# A TLS client takes much more memory than a TLS server; the price of one connection does not need so many.
IDLE_TLS_CONNECTIONS = 2_000
IDLE_SETTINGS = {
    "HTTP_MAX_CONNECTIONS": "12000",
    "HTTP_HEADER_TIMEOUT_SECONDS": "600",
    "HTTP_IDLE_TIMEOUT_SECONDS": "600",
}
PAGES = 2_000


class TLSServer(Server):
    """A server with a certificate of its own."""

    def __init__(self, command, folder, certificate, key, **settings):
        self.context = ssl.create_default_context(cafile=certificate)
        super().__init__(command, folder, TLS_CERTIFICATE_FILE=certificate, TLS_KEY_FILE=key, **settings)

    def connect(self):
        connection = super().connect()
        connection.socket = self.context.wrap_socket(connection.socket, server_hostname="localhost")
        return connection


class PriorKnowledgeServer(Server):
    """A peer that speaks h2c alone, so that there is no /ready to ask for in HTTP/1.1."""

    def is_ready(self):
        with contextlib.suppress(OSError), self.connect():
            return True
        return False


def make_certificate(folder):
    certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def h2load(protocol, server, path):
    """What makes load of a protocol that `wrk` does not speak."""
    if protocol == "tls13":
        options = ["--h1", f"-c{CONNECTIONS}"]
    else:
        options = [f"-c{HTTP2_CONNECTIONS}", f"-m{HTTP2_STREAMS}"]
    scheme = "http" if protocol == "h2c" else "https"
    return ["h2load", "-t1", f"-D{SECONDS}", *options, f"{scheme}://127.0.0.1:{server.port}{path}"]


def expect_protocol(protocol, server, path):
    """Looks whether client and server agree on what is to be measured."""
    _, _, text = make_load(h2load(protocol, server, path))
    expected = {"tls13": ["TLSv1.3", "http/1.1"], "h2": ["TLSv1.3", "h2"], "h2c": ["h2c"]}[protocol]
    found = re.findall(r"^(?:TLS Protocol|Application protocol): (\S+)$", text, re.MULTILINE)
    if found != expected:
        sys.exit(f"port {server.port} speaks {found} instead of {expected}:\n{text}")


def count_checks(command, folder):
    """Two servers for a minute: one is asked 10,000 times a second, the other never."""

    def log_length(server):
        return os.path.getsize(server.log)

    def checks(server, length):
        with open(server.log, "rb") as log:
            log.seek(length)
            # Every run of a check ends with such a record.
            return log.read().count(b'"Health check ran"')

    with (
        Server(command, f"{folder}/probed", LOG_LEVEL="debug") as probed,
        Server(command, f"{folder}/alone", LOG_LEVEL="debug") as alone,
    ):
        # Behind the start, in which everything is checked at once.
        time.sleep(2)
        lengths = [log_length(server) for server in (probed, alone)]
        urls = [f"http://127.0.0.1:{probed.port}/{probe}" for probe in ("live", "ready", "health")]
        load = ["h2load", "--h1", "-t1", f"-c{PROBERS}", "-m16", f"-D{PROBED_SECONDS}"]
        load.append(f"--rps={PROBES_A_SECOND // PROBERS}")
        _, rate, _ = make_load([*load, *urls])
        ours, theirs = (checks(server, length) for server, length in zip((probed, alone), lengths))
        print(f"checks in {PROBED_SECONDS} s: {ours} at {rate:.0f} probes a second, {theirs} at none", flush=True)
        if theirs == 0:
            sys.exit("A server at log level debug told of no check that ran: there is nothing to compare.")
        if rate < 0.98 * PROBES_A_SECOND:
            sys.exit("The machine is too slow, or too busy, for so many probes.")
        report("checks-at-10000-probes-a-second", ours, CHECKS_TOLERANCE, theirs, ours / theirs)
        # Its history is full by now.
        measure_status_page(probed)


def measure_status_page(server):
    """The page as one visitor sees it, who waits for each before asking for the next."""
    with server.connect() as client:
        times = []
        for _ in range(PAGES // 10):
            client.get("/status")
        before = server.processor_seconds()
        for _ in range(PAGES):
            began = time.perf_counter()
            status = client.get("/status")
            times.append((time.perf_counter() - began) * 1000)
            if status != 200:
                sys.exit(f"/status was answered with {status}")
        spent = (server.processor_seconds() - before) / PAGES * 1000
    lower, middle, upper = statistics.quantiles(times, n=4)
    print(f"/status, ms: median {middle:.3f} ({lower:.3f} to {upper:.3f}), {spent:.3f} of processor time", flush=True)
    report("status-page-milliseconds", middle, 1)


def show_heading():
    print(f"{'':34} {'ours':>10} {'peer':>10}   ratio (quartiles of the pairs)")


def compare_health_and_live(command, folder):
    show_heading()
    with Server(command, folder) as server:
        loads = ((server, wrk(server, path, SECONDS)) for path in ("/health", "/live"))
        rate, _ = compare("/health, /live", *loads, PAIRS)
        report("health-to-live-requests-per-second", rate[0], 0.8, rate[1], rate[2], at_least=True)


def compare_protocol(protocol, ours, peer):
    for server in (ours, peer):
        expect_protocol(protocol, server, "/live")
    for path, pairs in (("/_drill/hello", PAIRS), ("/live", PAIRS_FOR_INFORMATION)):
        name = path.rsplit("/", 1)[1]
        loads = ((server, h2load(protocol, server, path)) for server in (ours, peer))
        rate, _ = compare(f"{protocol}, {name}", *loads, pairs)
        # /live is answered by our connection itself, so it says less about the protocol.
        if name == "hello":
            report(f"{protocol}-requests-per-second", rate[0], 0.9, rate[1], rate[2], at_least=True)


def compare_protocols(command, peer_command, folder, identity):
    show_heading()
    with (
        TLSServer(command, f"{folder}/ours", *identity, DRILL_ROUTES="on") as ours,
        TLSServer(peer_command, f"{folder}/peer", *identity) as peer,
    ):
        compare_protocol("tls13", ours, peer)
        compare_protocol("h2", ours, peer)
    with (
        Server(command, f"{folder}/ours", DRILL_ROUTES="on") as ours,
        PriorKnowledgeServer(peer_command, f"{folder}/peer", H2C="on") as peer,
    ):
        compare_protocol("h2c", ours, peer)


def bytes_for_idle(server, count):
    """How much more memory a server has after so many clients have asked for something, and stay connected."""
    # What is made once, at the first requests, is no connection's.
    for _ in range(CONNECTIONS):
        with server.connect() as client:
            client.get("/ready")
    time.sleep(1)
    before = server.resident_bytes()
    with contextlib.ExitStack() as clients:
        for _ in range(count):
            clients.enter_context(server.connect()).get("/ready")
        time.sleep(1)
        return server.resident_bytes() - before


def measure_idle(command, peer_command, folder, identity):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Servers need more besides, for what they keep open and in reserve.
    if hard < IDLE_CONNECTIONS + 1_000:
        sys.exit(f"This user may have {hard} files open: too few for {IDLE_CONNECTIONS} connections (ulimit -Hn).")
    for label, count, start in (
        ("plain", IDLE_CONNECTIONS, lambda command, folder: Server(command, folder, **IDLE_SETTINGS)),
        ("TLS", IDLE_TLS_CONNECTIONS, lambda command, folder: TLSServer(command, folder, *identity, **IDLE_SETTINGS)),
    ):
        figures = []
        for name, program in (("ours", command), ("peer", peer_command)):
            with start(program, f"{folder}/{label}/{name}") as server:
                figures.append(bytes_for_idle(server, count))
        ours, theirs = figures
        print(f"bytes for an idle connection, {label}: {ours / count:.0f}, peer {theirs / count:.0f}", flush=True)
        if label == "plain":
            report("idle-connections-megabytes", ours / 1e6, 80, theirs / 1e6)


def main():
    # So that servers and folders are cleared away then too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    command, peer_command = ([os.path.abspath(path)] for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        identity = make_certificate(folder)
        parts = {
            "checks": lambda: count_checks(command, f"{folder}/checks"),
            "health": lambda: compare_health_and_live(command, f"{folder}/health"),
            "protocols": lambda: compare_protocols(command, peer_command, f"{folder}/protocols", identity),
            "idle": lambda: measure_idle(command, peer_command, f"{folder}/idle", identity),
        }
        for name in sys.argv[3:] or parts:
            parts[name]()
    print("\n".join(common.results))


main()
