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
    static let internalError = "XX000"

    /// What the codes of class 42 mean, for those who write statements, and some others that one word of ours does not tell apart (PostgreSQL
    /// 15, appendix A).
    static let words: [String: String] = [
        "28P01": "the password is wrong, or there is no such role",
        "28000": "the role may not log in from here, or there is none",
        Self.cannotConnectNow: "it is starting, stopping or recovering", "3D000": "there is no database of that name",
        "53300": "it has no connection left for us",
        "08P01": "it does not take a parameter of the URL, as a pooler does not take `options`",
        "42601": "syntax error", "42501": "the role lacks a privilege", "42846": "cannot coerce",
        "42803": "grouping error",
        "42830": "invalid foreign key", "42602": "invalid name", "42622": "name too long", "42939": "reserved name",
        "42804": "datatype mismatch", "42P18": "indeterminate datatype", "42P21": "collation mismatch",
        "42809": "wrong object type", "42703": "undefined column", "42883": "undefined function",
        "42P01": "undefined table",
        "42P02": "undefined parameter", "42704": "undefined object", "42701": "duplicate column",
        "42P03": "duplicate cursor",
        "42P04": "duplicate database", "42723": "duplicate function", "42P05": "duplicate prepared statement",
        "42P06": "duplicate schema", "42P07": "duplicate table", "42712": "duplicate alias",
        "42710": "duplicate object",
        "42702": "ambiguous column", "42725": "ambiguous function", "42P08": "ambiguous parameter",
        "42P09": "ambiguous alias",
        "42P10": "invalid column reference", "42611": "invalid column definition",
        "42P12": "invalid database definition",
        "42P13": "invalid function definition", "42P14": "invalid prepared statement definition",
        "42P15": "invalid schema definition", "42P16": "invalid table definition", "42P17": "invalid object definition",
    ]
}
