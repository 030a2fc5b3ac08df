// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// Every setting in columns, for `medbuilder config`: key, environment variable, value in force, origin, default,
    /// meaning. Secrets are only said to be set or not.
    public func table() -> String {
        let head = ["KEY", "ENVIRONMENT", "VALUE", "ORIGIN", "DEFAULT", "MEANING"]
        let rows =
            [head]
            + self.inForce.map { row in
                [
                    row.setting.key, row.setting.environmentName, row.text, row.origin.text,
                    row.setting.defaultValue.text, row.setting.meaning,
                ]
            }
        let widths = head.indices.dropLast().map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
                + "  " + row[head.count - 1] + "\n"
        }.joined()
    }
}
