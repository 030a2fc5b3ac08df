// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why the database did not do what it was asked.
///
/// Descriptions name the database and the cure. They never contain a parameter or the content of a row, so they are safe to log.
public struct DatabaseError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case notReachable = "it is not reachable"
            case closed = "it is not open"
            case cancelled = "the work was called off"
            case locked = "it is locked"
            case readOnly = "it is read-only"
            case full = "it is full"
            case corrupt = "it is damaged"
            case inputOutput = "reading or writing failed"
            case notADatabase = "the file is no database"
            case foreignFile = "the file belongs to another application"
            case isDirectory = "the file is a folder"
            case cannotOpen = "the file cannot be opened"
            case replaced = "the file was deleted or replaced"
            case newerSchema = "its schema is too new"
            case olderSchema = "its schema is too old"
            case changedMigration = "another migration was applied to it"
            case invalidMigrations = "the migrations are no sequence"
            case constraint = "a rule of the schema would be broken"
            case invalidStatement = "the statement is not understood"
            case transactionEnded = "the transaction is over"
            case loginRefused = "the login was refused"
            case notPermitted = "the role may not do that"
            case untrusted = "its certificate is not to be trusted"
            case tooManyConnections = "it has no connection left for us"
            case timeout = "it did not answer in time"
            case poolExhausted = "all our connections are in use"
            case serializationFailure = "another transaction came before"
            case deadlock = "two transactions waited for each other"
            case unexpectedValue = "a value does not fit its place"
            case valueTooLarge = "a value is too large"
            case outcomeUnknown = "it was lost during a commit"
            case unsupported = "this database cannot do that"
            case other = "the reason is unknown"
        }

        /// The kind in words, without a name or a path: fit for people who look at the server from outside.
        public var description: String { self.value.rawValue }

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
        /// The server does not let us in: wrong password, no such user or database, not allowed from here.
        public static let loginRefused = Code(value: .loginRefused)
        /// The role that we log in as lacks a privilege.
        public static let notPermitted = Code(value: .notPermitted)
        /// The server cannot prove that it is the one that was asked for.
        public static let untrusted = Code(value: .untrusted)
        /// The server has reached its limit of connections.
        public static let tooManyConnections = Code(value: .tooManyConnections)
        /// A statement or a transaction took longer than it may.
        public static let timeout = Code(value: .timeout)
        /// No connection of the pool became free in time.
        public static let poolExhausted = Code(value: .poolExhausted)
        /// The transaction saw what another one has changed meanwhile; run again, it may work.
        public static let serializationFailure = Code(value: .serializationFailure)
        /// The transaction was ended so that another one could go on; run again, it may work.
        public static let deadlock = Code(value: .deadlock)
        /// A parameter or a column is of another type than its place, or out of its range.
        public static let unexpectedValue = Code(value: .unexpectedValue)
        /// A parameter is longer than the database takes.
        public static let valueTooLarge = Code(value: .valueTooLarge)
        /// The connection was lost when a commit was on its way: its work is there, or it is not.
        public static let outcomeUnknown = Code(value: .outcomeUnknown)
        /// This kind of database, or the way to it, does not have what was asked for.
        public static let unsupported = Code(value: .unsupported)
        /// Anything else.
        public static let other = Code(value: .other)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String
    /// The server's own code of five characters, for what ``code`` does not tell apart (PostgreSQL, appendix A); nil if it did not come
    /// from a server.
    public let sqlState: String?

    /// Whether the same transaction may work when it is run again.
    public var isRepeatable: Bool { self.code == .serializationFailure || self.code == .deadlock }

    /// An error as a driver met it; `description` says which database, what is wrong and what to do, without any data.
    public init(code: Code, description: String, sqlState: String? = nil) {
        self.code = code
        self.description = description
        self.sqlState = sqlState
    }

    /// Whether it was raised inside a function or a trigger of the database, while the statement was at work.
    package var isFromFunction = false

    /// Whether they say the same.
    public static func == (left: DatabaseError, right: DatabaseError) -> Bool {
        left.code == right.code && left.description == right.description && left.sqlState == right.sqlState
    }

    /// What this error makes of the database in `/health`.
    public var status: DatabaseStatus {
        switch self.code {
        case .notReachable, .outcomeUnknown, .closed, .cancelled: .disconnected
        default: .error
        }
    }

    /// A statement that begins or ends a transaction by itself.
    package static func transactionControl(database: String) -> DatabaseError {
        DatabaseError(
            code: .invalidStatement,
            description:
                "A statement for database '\(database)' begins or ends a transaction, or may do so behind a comment within a comment. "
                + "That is what the closures of `transaction` and `savepoint` are for.")
    }

    /// A statement that writes, where only reading is done.
    package static func writingQuery(database: String) -> DatabaseError {
        DatabaseError(
            code: .readOnly,
            description:
                "A statement for database '\(database)' may change something, and is asked as a query. Run it by `execute` or `transaction`."
        )
    }
}
