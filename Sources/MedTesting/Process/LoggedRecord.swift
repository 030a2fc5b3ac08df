// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One line of the server's log.
package struct LoggedRecord: Sendable, CustomStringConvertible {
    /// The line as it was written.
    package let line: String
    /// The line as JSON; `nil` when it is something else, which only the text format may be.
    package let json: OrderedJSON?

    package init(line: String) {
        self.line = line
        self.json = try? OrderedJSON(line)
    }

    /// The fixed phrase of the record.
    package var message: String { self.json?["message"]?.string ?? "" }
    /// A field, as text; nil if it is not there.
    package func field(_ name: String) -> String? { self.json?.value(at: name)?.string }
    /// How bad it is.
    package var level: String { self.json?.value(at: "log.level")?.string ?? "" }

    package var description: String { self.line }
}
