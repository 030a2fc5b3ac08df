// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension String {
    /// A name in SQL, whatever is in it (ISO/IEC 9075; PostgreSQL, 4.1.1; SQLite, "SQLite Keywords").
    ///
    /// It looks at scalars: a quote that a combining mark follows is a character of its own for Swift, and a quote for the database.
    package var quotedAsIdentifier: String {
        var quoted = "\""
        for scalar in self.unicodeScalars {
            if scalar == "\"" { quoted.unicodeScalars.append(scalar) }
            quoted.unicodeScalars.append(scalar)
        }
        quoted.unicodeScalars.append("\"")
        return quoted
    }
}
