// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension MigrationPlan {
    /// The schema of MedBuilder itself. That it is a sequence is proven by a test, so that nobody has to handle an error here.
    public static let medBuilder = MigrationPlan(proven: [
        Migration(
            version: 1,
            name: "drill rows",
            statements: [
                "CREATE TABLE drill_rows (id INTEGER PRIMARY KEY, value TEXT NOT NULL)"
            ]
        )
    ])
}
