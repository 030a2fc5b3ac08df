# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Measures MedBuilder's probes against a bare Hummingbird: measure.py MEDBUILDER PEER

Both servers run at once and are loaded in turn, so that a machine that gets slower slows both. Every figure is the
median of five runs, and every ratio that of five pairs. The last lines are for machines:

    RESULT name=… ours=… peer=… ratio=… target=… met=yes|no
"""

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 5
SECONDS = 4
# More than the cores, so that the servers are busy; few enough that the load maker is not kept off the processor.
CONNECTIONS = 32
REQUESTS_FOR_MEMORY = 1_000_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status_of(port, path):
    """The status of one GET, or None while nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return int(client.recv(4096).split()[1])
    except (ConnectionError, IndexError):
        return None


def wait_until_ready(port, path):
    limit = time.monotonic() + 30
    while status_of(port, path) != 200:
        if time.monotonic() > limit:
            sys.exit(f"the server on port {port} did not answer {path} with 200 within 30 s")


def start_ours(binary, folder, port):
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "LOG_FORMAT": "json"}
    log = open(os.path.join(folder, "log"), "ab")
    return subprocess.Popen([binary, "serve"], cwd=folder, env=environment, stdout=log)


def resident_mebibytes(process):
    with open(f"/proc/{process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024


def load(port, path):
    """Requests a second and the 99th percentile in milliseconds."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}{path}"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{path} of port {port} failed under load:\n{text}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


results = []


def report(name, ours, target, peer=None, ratio=None, at_least=False):
    measured = ours if ratio is None else ratio
    met = measured >= target if at_least else measured <= target
    sign = ">=" if at_least else "<="
    results.append(
        f"RESULT name={name} ours={ours:.2f} peer={'-' if peer is None else f'{peer:.2f}'} "
        f"ratio={'-' if ratio is None else f'{ratio:.2f}'} target={sign}{target} met={'yes' if met else 'no'}"
    )


def main():
    binary, peer_binary = (os.path.abspath(path) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        # The first start makes the database; those that are measured find it.
        port = free_port()
        process = start_ours(binary, folder, port)
        wait_until_ready(port, "/ready")
        process.send_signal(signal.SIGTERM)
        process.wait()

        starts, exits = [], []
        for _ in range(RUNS):
            port = free_port()
            began = time.perf_counter()
            process = start_ours(binary, folder, port)
            wait_until_ready(port, "/ready")
            starts.append((time.perf_counter() - began) * 1000)
            time.sleep(0.5)
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            code = process.wait()
            exits.append((time.perf_counter() - began) * 1000)
            if code != 0:
                sys.exit(f"an idle server ended with {code}")

        port, peer_port = free_port(), free_port()
        process = start_ours(binary, folder, port)
        peer = subprocess.Popen([peer_binary, str(peer_port)], stdout=subprocess.DEVNULL)
        try:
            wait_until_ready(port, "/ready")
            wait_until_ready(peer_port, "/ready")
            time.sleep(2)
            idle = resident_mebibytes(process)

            print(f"{'path':8} {'run':>3} {'ours req/s':>11} {'peer req/s':>11} {'ours p99 ms':>12} {'peer p99 ms':>12}")
            sent = 0
            for path in ("/live", "/ready"):
                ours, theirs = [], []
                for run in range(RUNS):
                    ours.append(load(port, path))
                    theirs.append(load(peer_port, path))
                    sent += ours[-1][0] * SECONDS
                    print(
                        f"{path:8} {run + 1:3} {ours[-1][0]:11.0f} {theirs[-1][0]:11.0f} "
                        f"{ours[-1][1]:12.2f} {theirs[-1][1]:12.2f}",
                        flush=True,
                    )
                for index, what, target in ((0, "requests-per-second", 0.9), (1, "p99-milliseconds", 1.2)):
                    pairs = [(mine[index], other[index]) for mine, other in zip(ours, theirs)]
                    report(
                        f"{path.strip('/')}-{what}",
                        statistics.median(mine for mine, _ in pairs),
                        target,
                        statistics.median(other for _, other in pairs),
                        # Pair by pair: what slows the machine for a while slows both of a pair.
                        statistics.median(mine / other for mine, other in pairs),
                        at_least=index == 0,
                    )
            while sent < REQUESTS_FOR_MEMORY:
                sent += load(port, "/live")[0] * SECONDS
            loaded = resident_mebibytes(process)
        finally:
            for server in (process, peer):
                server.send_signal(signal.SIGTERM)
                server.wait()

    print(f"start to /ready, ms: {', '.join(f'{value:.1f}' for value in starts)}")
    print(f"SIGTERM to exit, ms: {', '.join(f'{value:.1f}' for value in exits)}")
    print(f"resident, MiB: {idle:.1f} idle, {loaded:.1f} after {sent:.0f} requests")
    report("start-to-ready-milliseconds", statistics.median(starts), 50)
    report("idle-memory-mebibytes", idle, 40)
    report("memory-after-a-million-mebibytes", loaded, 60)
    report("idle-exit-milliseconds", statistics.median(exits), 50)
    print("\n".join(results))


main()
