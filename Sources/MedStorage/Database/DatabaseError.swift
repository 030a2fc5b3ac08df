// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why the database did not do what it was asked.
///
/// Descriptions name the database and the cure. They never contain a parameter or the content of a row, so they are safe to log.
public struct DatabaseError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value {
            case notReachable, closed, cancelled
            case locked, readOnly, full, corrupt, inputOutput
            case notADatabase, foreignFile, isDirectory, cannotOpen, replaced
            case newerSchema, olderSchema, changedMigration, invalidMigrations
            case constraint, invalidStatement, transactionEnded, other
        }
        private let value: Value

        /// The server cannot be reached, or the connection to it was lost.
        public static let notReachable = Code(value: .notReachable)
        /// This database is not open: not yet, or no longer.
        public static let closed = Code(value: .closed)
        /// The work was called off before it was done.
        public static let cancelled = Code(value: .cancelled)
        /// Somebody else held a lock for longer than we wait.
        public static let locked = Code(value: .locked)
        /// The database can be read but not written.
        public static let readOnly = Code(value: .readOnly)
        /// There is no space left.
        public static let full = Code(value: .full)
        /// The stored data is damaged.
        public static let corrupt = Code(value: .corrupt)
        /// The storage failed to read or write.
        public static let inputOutput = Code(value: .inputOutput)
        /// The file is something else than a database.
        public static let notADatabase = Code(value: .notADatabase)
        /// The file is a database of another application.
        public static let foreignFile = Code(value: .foreignFile)
        /// The path names a folder.
        public static let isDirectory = Code(value: .isDirectory)
        /// The file can be neither opened nor created.
        public static let cannotOpen = Code(value: .cannotOpen)
        /// The file was deleted or replaced while it was open.
        public static let replaced = Code(value: .replaced)
        /// A newer program has changed the schema beyond what this one works with.
        public static let newerSchema = Code(value: .newerSchema)
        /// The schema lacks migrations that this program needs.
        public static let olderSchema = Code(value: .olderSchema)
        /// What was applied to the database is not what this program knows under that number.
        public static let changedMigration = Code(value: .changedMigration)
        /// The migrations of this program do not form a sequence.
        public static let invalidMigrations = Code(value: .invalidMigrations)
        /// The statement would break a rule of the schema.
        public static let constraint = Code(value: .constraint)
        /// The database does not understand the statement.
        public static let invalidStatement = Code(value: .invalidStatement)
        /// The transaction is over, by its closure's end, by an earlier error or by a statement that ended it.
        public static let transactionEnded = Code(value: .transactionEnded)
        /// Anything else.
        public static let other = Code(value: .other)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    /// An error as a driver met it; `description` says which database, what is wrong and what to do, without any data.
    public init(code: Code, description: String) {
        self.code = code
        self.description = description
    }

    /// What this error makes of the database in `/health`.
    public var status: DatabaseStatus {
        switch self.code {
        case .notReachable, .closed, .cancelled: .disconnected
        default: .error
        }
    }
}
