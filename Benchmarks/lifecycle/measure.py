# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Measures what the guard and the accounting cost, and how fast a shutdown, a trap and a stall are answered:

    measure.py MEDBUILDER WITHOUT

WITHOUT is the same program without the crash guard, the ledger of work in flight and the task-local variable of a
request (without.patch). Both run at once and are loaded in turn, in short runs that change places from pair to pair, so
that a machine that gets slower slows both; what counts is the median of the pairs' ratios. Their quartiles show the
noise. A pair is measured again if somebody else used the processors meanwhile. The last lines are for machines:

    RESULT name=… ours=… peer=… ratio=… target=… met=yes|no
"""

import contextlib
import os
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import common
from common import report, wrk

PAIRS = {"/_drill/hello": 30, "/live": 20}
PAIRS_FOR_INFORMATION = 10
SECONDS = 1
RUNS = 20
STALL_RUNS = 5
# Requests for the two runs whose difference is counted, and how often that is done.
COUNTED = (500, 4500)
COUNTS = 3


class Server(common.Server):
    """A server with the routes for experiments."""

    def __init__(self, command, folder, **settings):
        super().__init__(command, folder, DRILL_ROUTES="on", **settings)


def has_counters():
    """Whether `perf` is there and this machine lets it count instructions."""
    if not shutil.which("perf"):
        return False
    command = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
    return bool(re.search(r"^\d+,", subprocess.run(command, capture_output=True, text=True).stderr, re.MULTILINE))


def instructions_by_counter(command, folder, path):
    """Instructions for a request under load."""
    with Server(command, folder) as server:
        common.make_load(wrk(server, path, SECONDS))
        perf = ["perf", "stat", "-x,", "-e", "instructions:u", "-p", str(server.process.pid)]
        done = subprocess.run(perf + wrk(server, path, 5), check=True, capture_output=True, text=True)
    count = int(re.search(r"^(\d+),", done.stderr, re.MULTILINE).group(1))
    return count / int(re.search(r"(\d+) requests in", done.stdout).group(1))


def instructions_by_valgrind(command, folder, path):
    """Instructions for a request, one after the other on one connection."""
    bare, log = folder + ".bare", folder + ".valgrind"
    # valgrind gives up on what Swift writes for debuggers.
    subprocess.run(["strip", "--strip-debug", "-o", bare, command[0]], check=True)
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    # Without it, who waits for whom is a matter of luck.
    valgrind += ["--fair-sched=yes", f"--log-file={log}"]
    totals = []
    for requests in COUNTED:
        with Server([*valgrind, bare], folder) as server:
            with server.connect() as client:
                for _ in range(requests):
                    client.get(path)
            server.terminate()
            server.expect_exit(0)
        with open(log) as text:
            totals.append(int(re.search(r"I +refs: +([\d,]+)", text.read()).group(1).replace(",", "")))
    # What start and end take is in both.
    return (totals[1] - totals[0]) / (COUNTED[1] - COUNTED[0])


def count_instructions(ours, peer, folder):
    if has_counters():
        count = instructions_by_counter
    elif shutil.which("valgrind") and shutil.which("strip"):
        count = instructions_by_valgrind
    else:
        print("instructions per request: not counted; that takes perf and its counters, or valgrind and strip")
        return
    mine, theirs = (
        statistics.median(count(command, f"{folder}/{name}", "/_drill/hello") for _ in range(COUNTS))
        for name, command in (("ours", ours), ("without", peer))
    )
    print(f"instructions per request, user: {mine:.0f}, without {theirs:.0f}, ratio {mine / theirs:.4f}", flush=True)


def compare(label, path, ours, peer, pairs):
    return common.compare(label, *((server, wrk(server, path, SECONDS)) for server in (ours, peer)), pairs)


def measure_cost(command, without, folder):
    with (
        Server(command, folder + "/ours") as ours,
        Server(without, folder + "/without") as peer,
        Server(command, folder + "/off", MEDBUILDER_TRAPS="off") as off,
    ):
        print(f"{'':34} {'ours':>10} {'peer':>10}   ratio (quartiles of the pairs)")
        for path, pairs in PAIRS.items():
            name = path.rsplit("/", 1)[1]
            rate, _ = compare(f"{name}, without", path, ours, peer, pairs)
            report(f"{name}-requests-per-second", rate[0], 0.99, rate[1], rate[2], at_least=True)
        compare("hello, TRAPS=off", "/_drill/hello", ours, off, PAIRS_FOR_INFORMATION)
    count_instructions(command, without, folder)


def unready_after(command, folder):
    """Milliseconds from SIGTERM to the first 503 of /ready."""
    # The delay keeps the polled connection open; /ready does not wait for it.
    with Server(command, folder, SHUTDOWN_DRAIN_DELAY_SECONDS="0.2") as server:
        with server.connect() as work, contextlib.ExitStack() as stack:
            work.send("/_drill/sleep?ms=150")
            prober = stack.enter_context(server.connect())
            until = time.perf_counter() + 0.03
            while time.perf_counter() < until:
                prober.get("/ready")
            began = server.terminate()
            while True:
                try:
                    if prober.get("/ready") == 503:
                        break
                except ConnectionError:
                    # An answer that was a 200 yet may be the connection's last one.
                    prober = stack.enter_context(server.connect())
            taken = time.perf_counter() - began
            if work.receive() != 200:
                sys.exit("the request in flight at SIGTERM was lost")
        server.expect_exit(0)
    return taken * 1000


def exit_after_answer(command, folder):
    """Milliseconds from the last byte of the last answer to the end of the process."""
    with Server(command, folder) as server:
        with server.connect() as work:
            work.send("/_drill/sleep?ms=300")
            time.sleep(0.05)
            server.terminate()
            if work.receive() != 200:
                sys.exit("the request in flight at SIGTERM was lost")
            answered = time.perf_counter()
        return (server.expect_exit(0) - answered) * 1000


def trap_answer(command, folder, is_loaded):
    """Milliseconds from a request that traps to the whole answer."""
    with Server(command, folder) as server, contextlib.ExitStack() as stack, server.connect() as client:
        if is_loaded:
            makes_load = subprocess.Popen(
                wrk(server, "/_drill/hello", 10), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(makes_load.wait)
            stack.callback(makes_load.kill)
            time.sleep(0.5)
        for _ in range(100):
            client.get("/_drill/hello")
        began = time.perf_counter()
        status = client.get("/_drill/trap?kind=nil")
        taken = time.perf_counter() - began
        if status != 500:
            sys.exit(f"a trap was answered with {status}")
        server.expect_exit(70)
    return taken * 1000


def stall_seen_after(command, folder, thread, limit):
    """Seconds from the request that blocks `thread` to the first 503 of /live."""
    with Server(command, folder, LIVE_STALL_SECONDS=str(limit)) as server, server.connect() as client:
        client.get("/live")
        began = time.perf_counter()
        client.send(f"/_drill/block?thread={thread}&ms={(limit + 3) * 1000}")
        # A prober of its own every 20 ms: those that the stuck loop has taken get no answer.
        probers, last = {}, 0
        try:
            while (now := time.perf_counter()) - began < limit + 3:
                if now - last >= 0.02:
                    last, prober = now, server.connect()
                    prober.send("/live")
                    probers[prober.socket] = prober
                for ready in select.select(list(probers), [], [], 0.005)[0]:
                    with probers.pop(ready) as prober:
                        if prober.receive() == 503:
                            return time.perf_counter() - began
        finally:
            for prober in probers.values():
                prober.socket.close()
    sys.exit(f"/live never answered 503 while the {thread} was blocked")


def show(name, unit, values):
    lower, middle, upper = statistics.quantiles(values, n=4)
    print(
        f"{name}, {unit}: median {middle:.2f} ({lower:.2f} to {upper:.2f}), {min(values):.2f} at best, "
        f"{max(values):.2f} at worst, {len(values)} runs",
        flush=True,
    )


def measure_times(command, folder):
    for name, target, measure in (
        ("sigterm-to-unready-milliseconds", 5, lambda: unready_after(command, folder)),
        ("last-answer-to-exit-milliseconds", 50, lambda: exit_after_answer(command, folder)),
        ("trap-to-answer-milliseconds", 20, lambda: trap_answer(command, folder, is_loaded=False)),
        ("trap-to-answer-under-load-milliseconds", 20, lambda: trap_answer(command, folder, is_loaded=True)),
    ):
        values = [measure() for _ in range(RUNS)]
        show(*name.rsplit("-", 1), values)
        report(name, statistics.median(values), target)
    for limit, runs in ((1, STALL_RUNS), (10, 1)):
        for thread in ("pool", "eventloop"):
            values = [stall_seen_after(command, folder, thread, limit) for _ in range(runs)]
            name = f"stall-of-{limit}-{thread}-seconds"
            print(f"{name}: {', '.join(f'{value:.2f}' for value in values)}", flush=True)
            # The worst, because the target is a promise.
            report(name, max(values), limit + 1)


def main():
    # So that servers and folders are cleared away then too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    command, without = ([os.path.abspath(path)] for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        measure_cost(command, without, folder)
        measure_times(command, folder + "/times")
    print("\n".join(common.results))


main()
