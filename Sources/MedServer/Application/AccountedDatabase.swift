// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import MedStorage

/// A database whose transactions are work in flight, so that a shutdown waits for them and its log can name them.
struct AccountedDatabase: Database {
    let base: any Database
    let lifecycle: Lifecycle

    func open() async throws(DatabaseError) { try await self.base.open() }

    var name: String { self.base.name }

    var dialect: SQLDialect { self.base.dialect }

    @discardableResult
    func migrate(to version: Int?) async throws(DatabaseError) -> MigrationReport {
        try await self.base.migrate(to: version)
    }

    func migrationStatus() async throws(DatabaseError) -> MigrationStatus { try await self.base.migrationStatus() }

    func verifySchema() async throws(DatabaseError) { try await self.base.verifySchema() }

    func check() async -> DatabaseCheck { await self.base.check() }

    func transaction<Result>(
        _ options: TransactionOptions, _ body: (any Transaction) async throws -> Result
    ) async throws -> Result {
        try await self.lifecycle.accounting("transaction") {
            try await self.base.transaction(options) { transaction in
                try await self.lifecycle.withTrapHandler {
                    transaction.abandon()
                } _: {
                    try await body(transaction)
                }
            }
        }
    }

    @discardableResult
    func execute(_ statement: Statement) async throws -> Int {
        try await self.lifecycle.accounting("transaction") { try await self.base.execute(statement) }
    }

    func query(_ statement: Statement) async throws -> [Row] { try await self.base.query(statement) }

    func stream<Result>(
        _ statement: Statement, _ body: (inout RowStream) async throws -> Result
    ) async throws -> Result {
        try await self.lifecycle.accounting("query") { try await self.base.stream(statement, body) }
    }

    func notifications(on channel: String) -> AsyncStream<DatabaseNotification> {
        self.base.notifications(on: channel)
    }

    func interrupt() { self.base.interrupt() }

    func close() async { await self.base.close() }
}
