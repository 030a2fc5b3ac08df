// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The codes of the server that are told apart (PostgreSQL 15, appendix A).
enum SQLState {
    static let queryCanceled = "57014"
    static let adminShutdown = "57P01"
    static let crashShutdown = "57P02"
    static let cannotConnectNow = "57P03"
    static let idleSessionTimeout = "57P05"
    static let idleInTransactionTimeout = "25P03"
    static let readOnlyTransaction = "25006"
    static let inFailedTransaction = "25P02"
    static let serializationFailure = "40001"
    static let deadlockDetected = "40P01"
    static let lockNotAvailable = "55P03"
    static let tooManyConnections = "53300"
    static let diskFull = "53100"
    static let undefinedTable = "42P01"
    static let featureNotSupported = "0A000"
    static let invalidStatementName = "26000"
}
