// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTelemetry
import NIOCore

/// The body of an answer that says that something failed, and nothing more.
enum ErrorBody {
    static func json(_ code: String, id: String? = nil) -> ByteBuffer {
        ByteBuffer(string: id.map { #"{"error":"\#(code)","id":"\#($0)"}"# } ?? #"{"error":"\#(code)"}"#)
    }
}

/// What links an answer to the log record that has the reason.
enum ErrorID {
    static func make() -> String { HexText.text(.random(in: 0...(.max))) }
}
