# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Keeps streams going on a few connections until the server is gone: h2_across_shutdown.py PORT [AUTHORITY]

Prints a line `answered N` every hundred answers, and at the end as JSON how many streams had which status, how many
were begun, and which were left unanswered although the server's last GOAWAY counts them in.
"""

import collections
import json
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
import http2

PORT = int(sys.argv[1])
AUTHORITY = sys.argv[2] if len(sys.argv) > 2 else None
STREAMS = 8
lock = threading.Lock()
statuses = collections.Counter()
problems = []
counts = {"begun": 0, "denied": 0, "connections": 0}


def done(connection, number):
    stream = connection.streams[number]
    with lock:
        if stream.is_complete:
            statuses[stream.fields.get(":status", "none")] += 1
            if sum(statuses.values()) % 100 == 0:
                print("answered", sum(statuses.values()), flush=True)


def run():
    while True:
        try:
            connection = http2.Connection(PORT, AUTHORITY)
        except OSError:
            return
        with lock:
            counts["connections"] += 1
        open_streams = set()
        while not connection.is_closed:
            # After the last GOAWAY a stream would be wasted; after the first, it is not.
            while len(open_streams) < STREAMS and (connection.last is None or connection.last == 2**31 - 1):
                open_streams.add(connection.request("GET", "/_drill/sleep?ms=2"))
            if not connection.receive():
                break
            for number in list(open_streams):
                stream = connection.streams[number]
                if stream.is_complete or stream.reset is not None:
                    done(connection, number)
                    open_streams.discard(number)
        # A server that is gone takes nothing any more; what it had said before is there to be read.
        while connection.receive():
            pass
        lost = connection.unanswered()
        with lock:
            counts["begun"] += len(connection.streams)
            counts["denied"] += sum(not s.is_complete for s in connection.streams.values()) - len(lost)
            # A connection that never got a byte through has promised nothing.
            if connection.streams and (connection.last is not None or any(
                    s.is_complete for s in connection.streams.values())):
                problems.extend(f"stream {n} of {len(connection.streams)}, last {connection.last}" for n in lost)
            elif lost:
                counts["denied"] += len(lost)


threads = [threading.Thread(target=run) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"statuses": statuses, "problems": problems, **counts}), flush=True)
