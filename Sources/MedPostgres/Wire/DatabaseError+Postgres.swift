// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import MedStorage

extension DatabaseError {
    /// What a result of the server says, without its sentences: they quote values.
    ///
    /// Only a mistake in the statement itself (class 42) is told in the server's words, since those can only quote the statement, and
    /// no value is ever part of one.
    init(_ result: ServerResult, database: String) {
        let state = result.field(.sqlState) ?? "XX000"
        let code = Code(sqlState: state)
        var sentence = "Database '\(database)' refused a statement: \(code.description)"
        if state.hasPrefix("42") {
            sentence += ": \(result.field(.message)?.oneLine ?? "")"
        }
        let names = [("table", ServerResult.ErrorField.table), ("column", .column), ("constraint", .constraint)]
            .compactMap { kind, field in result.field(field).map { "\(kind) '\($0)'" } }
        if !names.isEmpty { sentence += " (\(names.joined(separator: ", ")))" }
        self.init(code: code, description: "\(sentence) [\(state)].", sqlState: state)
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
