# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Asks a server over every kind of connection, on behalf of a test: channels.py PORT [AUTHORITY]

It prints the port where the test asks it: GET /open?count=6 opens and uses so many connections of each kept kind,
GET /ask/CHANNEL?method=GET&target=/live asks the server over a new connection (http1, http2) or over the next of the
kept ones (http1-kept, http2-kept), and answers with what came of it, as JSON.
"""

import http.client
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.dirname(__file__))
import http2

PORT = int(sys.argv[1])
AUTHORITY = sys.argv[2] if len(sys.argv) > 2 else None
KEPT = {"http1-kept": [], "http2-kept": []}


class HTTP1:
    """A connection whose answers are read to the last byte."""

    def __init__(self):
        self.socket = http2.connect(PORT, AUTHORITY)

    def ask(self, method, target):
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        try:
            self.socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode())
            answer = http.client.HTTPResponse(self.socket, method=method)
            answer.begin()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return {"status": answer.status, "fields": fields, "body": answer.read().decode()}
        except http.client.RemoteDisconnected:
            return {"ended": "closed"}
        except http.client.IncompleteRead:
            return {"ended": "cut"}
        except (BrokenPipeError, ConnectionResetError):
            return {"ended": "closed"}


class HTTP2:
    """The same over HTTP/2."""

    def __init__(self):
        self.connection = http2.Connection(PORT, AUTHORITY)

    def ask(self, method, target):
        number = self.connection.request(method, target)
        stream = self.connection.wait(number)
        if stream.is_complete:
            fields = dict(stream.fields)
            return {"status": int(fields.pop(":status")), "fields": fields, "body": stream.body.decode()}
        if number in self.connection.unanswered():
            return {"ended": "unanswered" if not stream.fields else "cut"}
        return {"ended": "closed"}


KINDS = {"http1": HTTP1, "http2": HTTP2}


def open_kept(count):
    for channel, connections in KEPT.items():
        for _ in range(count):
            connection = KINDS[channel.removesuffix("-kept")]()
            connections.append(connection)
            first = connection.ask("GET", "/live")
            if first.get("status") != 200:
                return {"error": f"{channel}: {first}"}
    return {"opened": count}


def ask(channel, method, target):
    try:
        connection = KEPT[channel].pop() if channel in KEPT else KINDS[channel]()
    except ConnectionRefusedError:
        return {"ended": "refused"}
    return connection.ask(method, target)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        target = urlsplit(self.path)
        values = {name: value[0] for name, value in parse_qs(target.query).items()}
        try:
            if target.path == "/open":
                answer = open_kept(int(values["count"]))
            else:
                answer = ask(target.path.removeprefix("/ask/"), values["method"], values["target"])
        except Exception as error:
            answer = {"error": repr(error)}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever).start()
