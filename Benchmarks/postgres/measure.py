# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Measures the database drivers against pgbench, psql, asyncpg and GRDB, on a server of its own, in pairs that take turns.

    measure.py LOAD MEDBUILDER [select insert pipeline copy stream asyncpg checkout sqlite recovery]
"""

import asyncio
import glob
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import common

LOAD = os.path.abspath(sys.argv[1])
MEDBUILDER = os.path.abspath(sys.argv[2])
PARTS = sys.argv[3:] or ["select", "insert", "pipeline", "copy", "stream", "asyncpg", "checkout", "sqlite", "recovery"]
PAIRS = 7
SECONDS = 2
BIN = max(glob.glob("/usr/lib/postgresql/*/bin")) + "/"
AS_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []


class Postgres:
    """A server in a folder of its own. It syncs, as in production."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        os.chmod(folder, 0o755)
        data = folder + "/data"
        os.mkdir(data)
        if AS_USER:
            shutil.chown(data, "postgres")
        self.run(BIN + "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8")
        self.data = data
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.start()
        while not self.answers():
            time.sleep(0.05)
        subprocess.run([BIN + "pgbench", "-i", "-q", "-s", "10", self.url], check=True, capture_output=True)
        self.sql("CREATE TABLE bench_rows (number BIGINT, value TEXT)")

    def start(self):
        self.process = subprocess.Popen(
            [*AS_USER, BIN + "postgres", "-D", self.data, "-p", str(self.port), "-k", "", "-c", "max_connections=200",
             "-c", "listen_addresses=127.0.0.1", "-c", "max_wal_size=4GB"],
            stderr=subprocess.DEVNULL)

    def answers(self):
        """Whether a query from outside works."""
        asked = subprocess.run(["psql", "-X", "-q", self.url, "-c", "SELECT 1"], check=False, capture_output=True)
        return asked.returncode == 0

    def run(self, *command):
        subprocess.run([*AS_USER, *command], check=True, capture_output=True)

    def sql(self, sql):
        subprocess.run(["psql", "-X", "-q", self.url, "-c", sql], check=True)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()


def ours(mode, where, number):
    printed = subprocess.run([LOAD, mode, where, str(number), str(SECONDS)], check=True, capture_output=True, text=True)
    rate, processor = map(float, printed.stdout.split())
    return rate, processor


def pgbench(server, script, clients):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        printed = subprocess.run(
            [BIN + "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(SECONDS), "-f", file.name, server.url],
            check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = float(re.search(r"tps = ([\d.]+)", printed).group(1))
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return rate, processor / (rate * SECONDS) * 1e6


def compare(server, name, target, first, second, scale=1):
    """Medians of pairs that take turns; the ratio is that of the pairs."""
    mine, peers = [], []
    for pair in range(PAIRS):
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            if server:
                server.sql("TRUNCATE bench_rows")
            (mine if which == 0 else peers).append((first, second)[which]())
    peers = [(rate * scale, processor / scale) for rate, processor in peers]
    ratio = statistics.median(m[0] / p[0] for m, p in zip(mine, peers))
    medians = [statistics.median(x[i] for x in side) for side in (mine, peers) for i in (0, 1)]
    print(f"{name:28} ours {medians[0]:10.0f}/s {medians[1]:7.2f} µs   peer {medians[2]:10.0f}/s {medians[3]:7.2f} µs   "
          f"ratio {ratio:.3f}", flush=True)
    common.report(name, medians[0], target, peer=medians[2], ratio=ratio, at_least=True)


def asyncpg_select(server, callers):
    import asyncpg

    async def run():
        pool = await asyncpg.create_pool(server.url, min_size=callers, max_size=callers)
        count = 0
        end = 0.0

        async def caller():
            nonlocal count
            number = 1
            while time.monotonic() < end:
                number = number * 6364136223846793005 % 1_000_000 + 1
                await pool.fetch("SELECT abalance FROM pgbench_accounts WHERE aid = $1", number)
                count += 1

        end = time.monotonic() + 0.3
        await asyncio.gather(*(caller() for _ in range(callers)))
        count = 0
        start, before = time.monotonic(), time.process_time()
        end = start + SECONDS
        await asyncio.gather(*(caller() for _ in range(callers)))
        wall, processor = time.monotonic() - start, time.process_time() - before
        await pool.close()
        return count / wall, processor / count * 1e6

    return asyncio.run(run())


def psql_copy(server, rows):
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for number in range(rows):
            file.write(f"{number}\tsome text of a row\n")
        file.flush()
        # As often in one session as our side does it, so that its start counts for little and the table grows as much.
        times = 60
        start = time.monotonic()
        subprocess.run(
            ["psql", "-X", "-q", server.url, *(["-c", f"\\copy bench_rows FROM '{file.name}'"] * times)], check=True)
        wall = time.monotonic() - start
        return rows * times / wall, 0.0


def recovery(server, folder):
    """Seconds from the first query that works from outside to a `/ready` of 200, over fast and immediate restarts."""
    process = subprocess.Popen(
        [MEDBUILDER, "serve"], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "DATABASE_URL": server.url, "PORT": "0", "LOG_FORMAT": "json"})
    port = next(int(found.group(1)) for line in process.stdout if (found := re.search(r"serving on port (\d+)", line)))
    # Nobody reads the rest, and a full pipe must not stop it.
    threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()

    def is_ready():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def wait(for_what, pause):
        while not for_what():
            time.sleep(pause)

    wait(is_ready, 0.01)
    times = []
    for number in range(9):
        server.stop([signal.SIGINT, signal.SIGQUIT][number % 2])
        wait(lambda: not is_ready(), 0.01)
        server.start()
        wait(server.answers, 0.005)
        start = time.monotonic()
        wait(is_ready, 0.005)
        times.append(time.monotonic() - start)
    process.terminate()
    process.wait()
    print(f"{'ready-after-restart':28} median {statistics.median(times):.2f} s   longest {max(times):.2f} s", flush=True)
    common.report("ready-after-restart-seconds-longest", max(times), 2)


def main():
    folder = tempfile.mkdtemp(prefix="bench-postgres-")
    server = Postgres(folder) if set(PARTS) & {"select", "insert", "pipeline", "copy", "stream", "asyncpg", "recovery"} else None
    try:
        select = "\\set aid random(1, 1000000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
        insert = "INSERT INTO bench_rows (number, value) VALUES (:aid, 'some text of a row');\n"
        inserts = {"insert": f"BEGIN;\n{insert}COMMIT;\n", "insert-alone": insert}
        row = "INSERT INTO bench_rows (number, value) VALUES (:client_id, 'some text of a row');\n"
        pipeline = "BEGIN;\n\\startpipeline\n" + row * 1000 + "\\endpipeline\nCOMMIT;\n"
        if "select" in PARTS:
            for clients, target in ((1, 0.85), (8, 0.75), (64, 0.75)):
                for where in ("", "-on-executor"):
                    compare(server, f"select-{clients}{where}", target, lambda: ours("select" + where, server.url, clients),
                            lambda: pgbench(server, select, clients))
        if "insert" in PARTS:
            for mode, script in inserts.items():
                for where in ("", "-on-executor"):
                    compare(server, f"{mode}-1{where}", 0.9, lambda: ours(mode + where, server.url, 1),
                            lambda: pgbench(server, "\\set aid random(1, 1000000)\n" + script, 1))
        if "pipeline" in PARTS:
            compare(server, "pipeline-1000-rows", 0.8, lambda: ours("pipeline", server.url, 1000),
                    lambda: pgbench(server, pipeline, 1), scale=1000)
        if "copy" in PARTS:
            compare(server, "copy-rows", 0.8, lambda: ours("copy", server.url, 100_000), lambda: psql_copy(server, 100_000))
        if "stream" in PARTS:
            rate, grown = ours("stream", server.url, 10_000_000)
            print(f"{'stream-10-million-rows':28} ours {rate:10.0f}/s", flush=True)
            common.report("stream-10-million-rows-more-memory-mb", grown, 50)
        if "asyncpg" in PARTS:
            for callers in (8, 64):
                compare(server, f"select-{callers}-against-asyncpg", 3, lambda: ours("select", server.url, callers),
                        lambda: asyncpg_select(server, callers))
        if "checkout" in PARTS:
            rates = [ours("checkout", "-", 1)[0] for _ in range(PAIRS)]
            common.report("pool-checkout-microseconds", 1e6 / statistics.median(rates), 1)
        if "sqlite" in PARTS:
            def in_new_file(mode):
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    return ours(mode, place + "/bench.sqlite", 1000)
            compare(None, "sqlite-batched-inserts", 0.8, lambda: in_new_file("sqlite"), lambda: in_new_file("grdb"))
        if "recovery" in PARTS:
            recovery(server, folder)
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(common.results))


main()
