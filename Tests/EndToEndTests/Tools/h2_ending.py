# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""One HTTP/2 connection to its end: h2_ending.py PORT METHOD STREAMS SECONDS

Connects, prints `connected`, begins so many streams after so many seconds, those of a POST with a body that never comes,
prints `answered` when all are, and reads to the end. After that it sends until the server takes nothing any more. Prints
as JSON how many streams were answered in whole, the codes of those that were reset, the last number of the last GOAWAY,
for how many seconds the server went on taking bytes after its end, and how long this program was held up at most while
it measured that.
"""

import json
import os
import select
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import http2

PAUSE = 0.02

port, method, streams, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
connection = http2.Connection(port)
# The server's settings: it has taken the connection.
connection.receive()
print("connected", flush=True)
time.sleep(seconds)
for _ in range(streams):
    connection.request(method, "/live" if method == "GET" else "/nothing", ends=method == "GET")

turn = time.monotonic()
longest = 0.0


def next_turn():
    """How late it is, with the longest time between two calls put down."""
    global turn, longest
    now = time.monotonic()
    longest, turn = max(longest, now - turn), now
    return now


def answered():
    return sum(stream.is_complete for stream in connection.streams.values())


has_told = False
while True:
    next_turn()
    if not has_told and streams and answered() == streams:
        has_told = True
        print("answered", flush=True)
    if select.select([connection.socket], [], [], PAUSE)[0] and not connection.receive():
        break
end = next_turn()
ping = connection.frame(http2.PING, 0, 0, b"farewell")
try:
    while True:
        connection.socket.sendall(ping)
        time.sleep(PAUSE)
        next_turn()
except OSError:
    pass
resets = [stream.reset for stream in connection.streams.values() if stream.reset is not None]
ending = {"answered": answered(), "resets": resets, "last": connection.last}
print(json.dumps(ending | {"lingered": next_turn() - end, "heldUp": longest}))
