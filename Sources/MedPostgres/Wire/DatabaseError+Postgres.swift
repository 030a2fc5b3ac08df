// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import MedStorage

extension DatabaseError {
    /// What a result of the server says, without its sentences: they quote values, also where they complain of a statement (a text that is
    /// cast to the name of a table is quoted as one).
    ///
    /// - Parameter sql: the statement, of which the place is shown that the server complains about. Values are never part of it.
    init(_ result: ServerResult, database: String, sql: String? = nil) {
        let state = result.field(.sqlState) ?? SQLState.internalError
        let code = Code(sqlState: state)
        var sentence = "Database '\(database)' refused a statement: \(SQLState.words[state] ?? code.description)"
        if let sql, let place = Self.excerpt(of: sql, at: result.field(.position)) { sentence += ", at '\(place)'" }
        let names = [("table", ServerResult.ErrorField.table), ("column", .column), ("constraint", .constraint)]
            .compactMap { kind, field in result.field(field).map { "\(kind) '\($0)'" } }
        if !names.isEmpty { sentence += " (\(names.joined(separator: ", ")))" }
        self.init(code: code, description: "\(sentence) [\(state)].", sqlState: state)
        // With `log_parameter_max_length_on_error`, an error has a context although no function has one. That of an outdated plan is known
        // by where it is raised.
        self.isFromFunction = result.field(.context) != nil && result.field(.sourceFunction) != "RevalidateCachedQuery"
    }

    /// The connection was lost before the server said what came of what was sent.
    static func unknownOutcome(of sent: String, database: String, sqlState: String? = nil) -> DatabaseError {
        DatabaseError(
            code: .outcomeUnknown,
            description:
                "The connection to database '\(database)' was lost during \(sent). Look whether its work is there before doing it again.",
            sqlState: sqlState)
    }

    /// The beginning of the statement from a position on, which the server counts in characters from 1.
    private static func excerpt(of sql: String, at position: String?) -> String? {
        guard let position = position.flatMap({ Int($0) }), position > 0 else { return nil }
        let scalars = sql.unicodeScalars.dropFirst(position - 1).prefix(40)
        return scalars.isEmpty ? nil : String(scalars).oneLine
    }
}

extension DatabaseError.Code {
    /// What one of the server's codes means for us (PostgreSQL 15, appendix A).
    init(sqlState: String) {
        self =
            switch sqlState {
            case SQLState.adminShutdown, SQLState.crashShutdown, SQLState.cannotConnectNow,
                SQLState.idleSessionTimeout:
                .notReachable
            case SQLState.queryCanceled, SQLState.idleInTransactionTimeout: .timeout
            case SQLState.readOnlyTransaction: .readOnly
            case SQLState.serializationFailure: .serializationFailure
            case SQLState.deadlockDetected: .deadlock
            case SQLState.lockNotAvailable: .locked
            case SQLState.tooManyConnections: .tooManyConnections
            case SQLState.diskFull: .full
            case SQLState.inFailedTransaction: .transactionEnded
            case "58030": .inputOutput
            case "42501": .notPermitted
            case "XX001", "XX002": .corrupt
            case "54000", "54001", "54011", "54023": .valueTooLarge
            default:
                switch sqlState.prefix(2) {
                case "08": .notReachable
                case "22", "21": .unexpectedValue
                case "0A", "07", "26", "34": .invalidStatement
                case "23", "44": .constraint
                case "28", "3D": .loginRefused
                case "42": .invalidStatement
                default: .other
                }
            }
    }
}

extension String {
    /// What libpq itself says of a connection, without what the server has said before it: that stays in libpq's memory, with values in it.
    var inLibpqsOwnWords: String {
        Self.libpqSentences.first { self.contains($0) } ?? "the server hung up"
    }

    private static let libpqSentences = [
        "server closed the connection unexpectedly", "could not receive data from server",
        "could not send data to server",
        "no connection to the server", "SSL connection has been closed unexpectedly", "SSL SYSCALL error", "SSL error",
        "lost synchronization with server", "another command is already in progress", "cannot enter pipeline mode",
        "number of parameters must be between", "out of memory",
    ]

    /// Without line breaks and blanks at the ends, for a sentence.
    var oneLine: String {
        self.split(whereSeparator: \.isNewline).map { $0.trimming(while: \.isWhitespace) }.joined(separator: "; ")
    }
}

extension StringProtocol {
    fileprivate func trimming(while isBlank: (Character) -> Bool) -> SubSequence {
        let start = self.firstIndex { !isBlank($0) } ?? self.endIndex
        let end = self[start...].lastIndex { !isBlank($0) }.map(self.index(after:)) ?? start
        return self[start..<end]
    }
}

extension Duration {
    /// For a sentence: seconds, with a fraction only if there is one.
    var inSeconds: String {
        let seconds = self / .seconds(1)
        return seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)"
    }
}
