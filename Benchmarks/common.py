# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: servers, clients, load, comparisons, and the lines for machines:

    RESULT name=… ours=… peer=… ratio=… target=… met=yes|no
"""

import contextlib
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

# More than the cores, so that the servers are busy; few enough that the load maker is not kept off the processor.
CONNECTIONS = 32
# So many of the processors' seconds in one may be used by others; the count itself is off by a tenth.
DISTURBANCE = 0.15

results = []


def report(name, ours, target, peer=None, ratio=None, at_least=False, digits=3):
    """Keeps a line for the end. What must meet the target is the ratio, or `ours` where there is none."""
    measured = ours if ratio is None else ratio
    met = measured >= target if at_least else measured <= target
    results.append(
        f"RESULT name={name} ours={ours:.2f} peer={'-' if peer is None else f'{peer:.2f}'} "
        f"ratio={'-' if ratio is None else f'{ratio:.{digits}f}'} target={'>=' if at_least else '<='}{target} "
        f"met={'yes' if met else 'no'}"
    )


class Server:
    """A server in a folder of its own, from `with` to `with`; it is killed if it has not ended by then.

    Its settings are environment variables, and whoever is compared with us reads the same ones.
    """

    def __init__(self, command, folder, **settings):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {"PATH": os.environ["PATH"], "PORT": str(self.port), "HOST": "127.0.0.1", "LOG_FORMAT": "json"}
        os.makedirs(folder, exist_ok=True)
        self.log = os.path.join(folder, "log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*command, "serve"], cwd=folder, env=environment | settings, stdout=log, stderr=log
            )

    def __enter__(self):
        limit = time.monotonic() + 30
        while not self.is_ready():
            if time.monotonic() > limit:
                self.process.kill()
                sys.exit(f"the server on port {self.port} did not answer /ready with 200 within 30 s")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def is_ready(self):
        with contextlib.suppress(OSError), self.connect() as connection:
            return connection.get("/ready") == 200
        return False

    def connect(self):
        return Connection(self.port)

    def terminate(self):
        """Sends SIGTERM and says when."""
        moment = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        return moment

    def expect_exit(self, code):
        """Waits for the end, checks its code, and says when it was."""
        # Without a time limit, with which Python would look only now and then.
        found = self.process.wait()
        moment = time.perf_counter()
        if found != code:
            sys.exit(f"a server ended with {found} instead of {code}")
        return moment

    def processor_seconds(self):
        # The kernel's clock of another process, exact to the nanosecond (clock_getcpuclockid).
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


class Connection:
    """A kept-alive connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def receive(self):
        """The status of an answer that has come as a whole."""
        answer = b""
        while True:
            head, end, body = answer.partition(b"\r\n\r\n")
            if end and len(body) >= int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)):
                return int(head.split()[1])
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the connection ended without an answer")
            answer += more

    def get(self, path):
        self.send(path)
        return self.receive()


def wrk(server, path, seconds, *options):
    """What makes load of plain HTTP/1.1."""
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *options, f"http://127.0.0.1:{server.port}{path}"]


def make_load(command):
    """Runs a load maker: how many requests there were, how many a second, and all that it said."""
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if command[0] == "wrk":
        has_failed = "Non-2xx" in text or "Socket errors" in text
        requests, rate = r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)"
    else:
        has_failed = " 0 failed, 0 errored, 0 timeout" not in text or "2xx, 0 3xx, 0 4xx, 0 5xx" not in text
        requests, rate = r"(\d+) succeeded", r"finished in .*?, ([\d.]+) req/s"
    if has_failed:
        sys.exit(f"{' '.join(command)} failed under load:\n{text}")
    return int(re.search(requests, text).group(1)), float(re.search(rate, text).group(1)), text


def busy_seconds():
    """What all processors have worked since the machine started."""
    with open("/proc/stat") as text:
        user, nice, system, _, _, *interrupts = map(int, text.readline().split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def load(server, command):
    """Requests a second, the server's microseconds of processor time for each, and how many processors others used."""
    before = server.processor_seconds()
    others, children = busy_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    requests, rate, _ = make_load(command)
    taken = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    others = busy_seconds() - others - (used.ru_utime - children.ru_utime) - (used.ru_stime - children.ru_stime)
    spent = server.processor_seconds() - before
    return rate, spent / requests * 1e6, (others - spent) / taken


def compare(label, ours, peer, pairs):
    """Makes two loads, each a server and a load maker, in turn: for requests a second and for processor time, the
    median of each and of the pairs' ratios.

    What counts is the pairs' ratio: what slows the machine for a while slows both of a pair. A pair is measured again
    if somebody else used the processors meanwhile.
    """
    load(*ours), load(*peer)
    runs, disturbed = [], 0
    while len(runs) < pairs:
        # They change places from pair to pair.
        if len(runs) % 2 == 0:
            mine, theirs = load(*ours), load(*peer)
        else:
            theirs, mine = load(*peer), load(*ours)
        # The run must end, on a machine that is never left alone too.
        if disturbed < pairs // 2 and max(mine[2], theirs[2]) > DISTURBANCE:
            disturbed += 1
            continue
        runs.append((mine, theirs))
    if disturbed == pairs // 2:
        print(f"Others kept the processors busy: {label} says little.")
    rows = []
    for index, unit in enumerate(("req/s", "µs processor/req")):
        mine, theirs = [run[0][index] for run in runs], [run[1][index] for run in runs]
        lower, middle, upper = statistics.quantiles([a / b for a, b in zip(mine, theirs)], n=4)
        rows.append((statistics.median(mine), statistics.median(theirs), middle))
        print(
            f"{label:16} {unit:17} {rows[-1][0]:10.2f} {rows[-1][1]:10.2f}   {middle:.4f} ({lower:.4f} to {upper:.4f})",
            flush=True,
        )
    return rows
