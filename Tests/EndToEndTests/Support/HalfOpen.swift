// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A way to connect and then to leave the server waiting.
enum HalfOpen: String, CaseIterable, Sendable {
    case silence
    case slowHead
    case slowBody
    case kept
    case http2WithoutStream
    case http2SlowHead
    case http2SlowBody
    case http2ShutWindow
    case tlsSilence
    case tlsHelloOnly
    case tlsHalfHello

    /// Whether it is for a port that speaks TLS.
    var needsTLS: Bool { [.tlsSilence, .tlsHelloOnly, .tlsHalfHello].contains(self) }

    /// Whether a request is in flight then, which has until the end of the grace.
    var isInFlight: Bool { [.slowBody, .http2SlowBody, .http2ShutWindow].contains(self) }

    /// What is sent before the silence.
    var bytes: [UInt8] {
        switch self {
        case .silence, .tlsSilence: []
        case .slowHead: Array("G".utf8)
        case .slowBody:
            Array("POST /_drill/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nten bytes.".utf8)
        case .kept: Array("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        case .http2WithoutStream: Self.preface
        // Neither the end of the fields nor that of the stream.
        case .http2SlowHead: Self.preface + Self.frame(type: 1, flags: 0, stream: 1, Self.fields)
        case .http2SlowBody:
            Self.preface + Self.frame(type: 1, flags: 4, stream: 1, Self.fields)
                + Self.frame(type: 0, flags: 0, stream: 1, Array("ten bytes.".utf8))
        // It asks for a long answer, and has room for nothing of it.
        case .http2ShutWindow:
            Self.preface + Self.frame(type: 4, flags: 0, stream: 0, [0, 4, 0, 0, 0, 0])
                + Self.frame(type: 1, flags: 5, stream: 1, Self.get("/_drill/stream?chunks=9&ms=1"))
        case .tlsHelloOnly: Self.hello
        case .tlsHalfHello: Array(Self.hello.prefix(20))
        }
    }

    // MARK: HTTP/2 (RFC 9113, RFC 7541)

    /// The connection preface, and empty SETTINGS.
    private static let preface =
        Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(type: 4, flags: 0, stream: 0, [])

    private static func frame(type: UInt8, flags: UInt8, stream: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [0, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), type, flags, 0, 0, 0, stream] + payload
    }

    /// `POST http://localhost/_drill/echo` with a length of 1000, without Huffman coding or tables.
    private static let fields: [UInt8] =
        [0x83, 0x86] + literal([0x04], "/_drill/echo") + literal([0x01], "localhost") + literal([0x0F, 0x0D], "1000")

    /// `GET` of this target at `http://localhost`.
    private static func get(_ target: String) -> [UInt8] {
        [0x82, 0x86] + self.literal([0x04], target) + self.literal([0x01], "localhost")
    }

    private static func literal(_ name: [UInt8], _ value: String) -> [UInt8] {
        name + [UInt8(value.utf8.count)] + Array(value.utf8)
    }

    // MARK: TLS (RFC 5246)

    /// The first flight of a client of TLS 1.2.
    private static let hello: [UInt8] = {
        func counted(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes }
        // X25519 and P-256; ECDSA and RSA with SHA-256; uncompressed points.
        let extensions: [UInt8] =
            [0x00, 0x0A] + counted(counted([0x00, 0x1D, 0x00, 0x17]))
            + [0x00, 0x0D] + counted(counted([0x04, 0x03, 0x08, 0x04, 0x04, 0x01]))
            + [0x00, 0x0B] + counted([0x01, 0x00])
        let suites: [UInt8] = [0xC0, 0x2B, 0xC0, 0x2F]
        let body: [UInt8] =
            [0x03, 0x03] + [UInt8](repeating: 0x5A, count: 32) + [0x00] + counted(suites) + [0x01, 0x00]
            + counted(extensions)
        return [0x16, 0x03, 0x01] + counted([0x01, 0x00] + counted(body))
    }()
}
