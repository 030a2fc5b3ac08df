// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres

/// The statements that a connection has prepared, of which the ones used longest ago go first.
struct PreparedStatements {
    /// What the server knows under a name.
    final class Prepared: Sendable {
        let name: String
        let parameterTypes: [Oid]
        let columns: [String]
        let columnTypes: [Oid]

        init(name: String, parameterTypes: [Oid], columns: [String], columnTypes: [Oid]) {
            self.name = name
            self.parameterTypes = parameterTypes
            self.columns = columns
            self.columnTypes = columnTypes
        }
    }

    private struct Entry {
        let prepared: Prepared
        var lastUse: Int
    }

    /// How many there may be: the memory is the server's.
    private let limit: Int
    private var entries: [String: Entry] = [:]
    private var uses = 0
    /// The one that was found or inserted last.
    private(set) var last: (sql: String, prepared: Prepared)?
    private var names = 0

    init(limit: Int) { self.limit = limit }

    var count: Int { self.entries.count }

    mutating func find(_ sql: String) -> Prepared? {
        self.uses += 1
        guard let index = self.entries.index(forKey: sql) else { return nil }
        self.entries.values[index].lastUse = self.uses
        let prepared = self.entries.values[index].prepared
        self.last = (sql, prepared)
        return prepared
    }

    /// A name that no other statement of the connection has, or has had.
    mutating func nextName() -> String {
        self.names += 1
        return "med\(self.names)"
    }

    /// Keeps a statement; gives the one that has to make room for it.
    mutating func insert(_ prepared: Prepared, for sql: String) -> Prepared? {
        var victim: Prepared?
        if self.entries.count >= self.limit, let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            victim = oldest.value.prepared
            self.entries.removeValue(forKey: oldest.key)
        }
        self.uses += 1
        self.entries[sql] = Entry(prepared: prepared, lastUse: self.uses)
        self.last = (sql, prepared)
        return victim
    }

    mutating func remove(_ sql: String) -> Prepared? {
        self.last = nil
        return self.entries.removeValue(forKey: sql)?.prepared
    }
}
