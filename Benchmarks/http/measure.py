# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Measures MedBuilder's probes against a bare Hummingbird: measure.py MEDBUILDER PEER

Both servers run at once and are loaded in turn, so that a machine that gets slower slows both. Every figure is the
median of five runs, and every ratio that of five pairs. The last lines are for machines:

    RESULT name=… ours=… peer=… ratio=… target=… met=yes|no
"""

import functools
import os
import re
import statistics
import sys
import tempfile
import time

import common
from common import Server, make_load, wrk

RUNS = 5
SECONDS = 4
REQUESTS_FOR_MEMORY = 1_000_000

report = functools.partial(common.report, digits=2)


def load(server, path):
    """Requests a second and the 99th percentile in milliseconds."""
    _, rate, text = make_load(wrk(server, path, SECONDS, "--latency"))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def mebibytes(server):
    return server.resident_bytes() / 2**20


def main():
    command, peer_command = ([os.path.abspath(path)] for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        # The first start makes the database; those that are measured find it.
        with Server(command, folder) as server:
            server.terminate()
            server.expect_exit(0)

        starts, exits = [], []
        for _ in range(RUNS):
            began = time.perf_counter()
            with Server(command, folder) as server:
                starts.append((time.perf_counter() - began) * 1000)
                time.sleep(0.5)
                began = server.terminate()
                exits.append((server.expect_exit(0) - began) * 1000)

        with Server(command, folder) as server, Server(peer_command, f"{folder}/peer") as peer:
            time.sleep(2)
            idle = mebibytes(server)

            print(f"{'path':8} {'run':>3} {'ours req/s':>11} {'peer req/s':>11} {'ours p99 ms':>12} {'peer p99 ms':>12}")
            sent = 0
            for path in ("/live", "/ready"):
                ours, theirs = [], []
                for run in range(RUNS):
                    ours.append(load(server, path))
                    theirs.append(load(peer, path))
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
                sent += load(server, "/live")[0] * SECONDS
            loaded = mebibytes(server)

    print(f"start to /ready, ms: {', '.join(f'{value:.1f}' for value in starts)}")
    print(f"SIGTERM to exit, ms: {', '.join(f'{value:.1f}' for value in exits)}")
    print(f"resident, MiB: {idle:.1f} idle, {loaded:.1f} after {sent:.0f} requests")
    report("start-to-ready-milliseconds", statistics.median(starts), 50)
    report("idle-memory-mebibytes", idle, 40)
    report("memory-after-a-million-mebibytes", loaded, 60)
    report("idle-exit-milliseconds", statistics.median(exits), 50)
    print("\n".join(common.results))


main()
