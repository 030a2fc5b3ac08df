// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// The fields of a record that a ``PreparedLogger`` logs. Names are literals that need no escapes in JSON, and none is that
/// of a fixed field (`message`, `log.level`).
public struct PreparedLogFields: ~Copyable {
    /// The line that they are written to; nil where they are collected.
    private var line: LogLine?
    private var metadata: Logger.Metadata = [:]
    private var isFull = false

    /// Fields that are collected.
    init() {
        // One that grows is hashed anew.
        self.metadata.reserveCapacity(16)
    }

    /// Fields that are written to a line.
    init(line: consuming LogLine) {
        self.line = consume line
    }

    /// The fields that were collected.
    consuming func takeMetadata() -> Logger.Metadata { self.metadata }

    /// The line that they were written to.
    consuming func takeLine() -> LogLine? { self.line }

    /// Adds a text, of which at most 4 KiB are kept, without what looks like a secret.
    @inline(__always)
    public mutating func add(_ name: StaticString, _ text: String) {
        self.write(name, or: { .string(text) }) { $0.appendJSON(text, limit: LogLine.Limit.value) }
    }

    /// Adds a whole number.
    @inline(__always)
    public mutating func add(_ name: StaticString, _ number: Int64) {
        self.write(name, or: { .string(number.description) }) { $0.appendJSON(number) }
    }

    /// Adds a whole number.
    @inline(__always)
    public mutating func add(_ name: StaticString, _ number: Int) { self.add(name, Int64(number)) }

    /// Adds an identifier of 8 bytes, as hexadecimal digits.
    @inline(__always)
    public mutating func add(_ name: StaticString, _ id: SpanID) {
        self.write(name, or: { .string(id.description) }) { line in
            line.append(UInt8(ascii: "\""))
            line.append(hexadecimal: id.value)
            line.append(UInt8(ascii: "\""))
        }
    }

    /// Adds an identifier of 16 bytes, as hexadecimal digits.
    @inline(__always)
    public mutating func add(_ name: StaticString, _ id: TraceID) {
        self.write(name, or: { .string(id.description) }) { line in
            line.append(UInt8(ascii: "\""))
            line.append(hexadecimal: id.high)
            line.append(hexadecimal: id.low)
            line.append(UInt8(ascii: "\""))
        }
    }

    @inline(__always)
    private mutating func write(
        _ name: StaticString, or value: () -> Logger.MetadataValue, _ body: (inout LogLine) -> Void
    ) {
        guard !self.isFull else { return }
        guard let fits = self.line?.appendField(named: name, body) else {
            self.metadata[name.description] = value()
            return
        }
        self.isFull = !fits
    }
}
