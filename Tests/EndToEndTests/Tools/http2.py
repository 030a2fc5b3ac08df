# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""A client of HTTP/2 that hides nothing: it goes on after a GOAWAY, and says what became of every stream.

The libraries at hand give a connection up as soon as they read a GOAWAY, even the first of two.
"""

import socket
import ssl
import struct

import hpack

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9


def connect(port, authority=None, protocol="http/1.1"):
    """A TCP connection to this machine, with TLS and that protocol if an authority is given."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if authority is None:
        return connection
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols([protocol])
    wrapped = context.wrap_socket(connection, server_hostname="localhost")
    if wrapped.selected_alpn_protocol() != protocol:
        raise ssl.SSLError(f"no {protocol}")
    return wrapped


class Stream:
    """One request and what has come of its answer."""

    def __init__(self):
        self.fields = {}
        self.body = b""
        self.is_complete = False
        self.reset = None


class Connection:
    """A connection with the streams that were begun on it."""

    def __init__(self, port, authority=None):
        self.socket = connect(port, authority, "h2")
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.received = b""
        self.block = b""
        self.streams = {}
        self.next = 1
        # The last identifier of the last GOAWAY.
        self.last = None
        self.is_closed = False
        # Windows so large that they never have to be told about again.
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1)))
        self.send(self.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 65536)))

    @staticmethod
    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_closed = True

    def request(self, method, target, ends=True):
        """Begins a stream, without a body or with one that is never sent; gives its identifier."""
        number, self.next = self.next, self.next + 2
        self.streams[number] = Stream()
        fields = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", target)]
        self.send(self.frame(HEADERS, 5 if ends else 4, number, self.encoder.encode(fields)))
        return number

    def receive(self):
        """Waits for some bytes and takes them in; false at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            data = b""
        if not data:
            self.is_closed = True
            return False
        self.received += data
        while len(self.received) >= 9:
            length = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + length:
                break
            kind, flags = self.received[3], self.received[4]
            number = int.from_bytes(self.received[5:9], "big") & 0x7FFFFFFF
            payload, self.received = self.received[9 : 9 + length], self.received[9 + length :]
            self.take(kind, flags, number, payload)
        return True

    def take(self, kind, flags, number, payload):
        stream = self.streams.get(number, Stream())
        if kind == SETTINGS and not flags & 1:
            self.send(self.frame(SETTINGS, 1, 0, b""))
        elif kind == PING and not flags & 1:
            self.send(self.frame(PING, 1, 0, payload))
        elif kind == GOAWAY:
            self.last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        elif kind == RST_STREAM:
            stream.reset = int.from_bytes(payload, "big")
        elif kind in (HEADERS, CONTINUATION):
            self.block += payload
            if flags & 4:
                fields, self.block = self.decoder.decode(self.block), b""
                stream.fields.update({str(name): str(value) for name, value in fields})
        elif kind == DATA:
            stream.body += payload
        if kind in (HEADERS, DATA) and flags & 1:
            stream.is_complete = True

    def wait(self, number):
        """Waits until that stream has ended or the connection has."""
        stream = self.streams[number]
        while not stream.is_complete and stream.reset is None and self.receive():
            pass
        return stream

    def unanswered(self):
        """The streams that the server said, or never denied, that it takes, and that have no whole answer."""
        limit = 2**31 - 1 if self.last is None else self.last
        # Refused (7): a promise that nothing was done for it.
        return [n for n, s in self.streams.items() if n <= limit and not s.is_complete and s.reset != 7]
