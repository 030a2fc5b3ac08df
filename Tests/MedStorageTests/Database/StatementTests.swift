// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import Testing

@Suite struct StatementTests {
    @Test func `what is interpolated becomes a numbered parameter`() {
        let name = "Ada'; DROP TABLE patients; --"
        let statement: Statement =
            "SELECT * FROM patients WHERE name = \(name) AND age > \(41) AND x = \(SQLValue.null)"
        #expect(statement.sql == "SELECT * FROM patients WHERE name = $1 AND age > $2 AND x = $3")
        #expect(statement.parameters == [.text(name), .integer(41), .null])
    }

    @Test func `a row is read by position and by name`() {
        let row = Row(columns: ["a", "b"], values: [.integer(1), .text("x")])
        #expect(row[0].integer == 1)
        #expect(row["b"] == .text("x"))
        #expect(row["c"] == nil)
        #expect(row[1].integer == nil)
    }
}
