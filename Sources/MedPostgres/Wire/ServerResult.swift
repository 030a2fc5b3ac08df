// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres

/// One answer of the server, as libpq keeps it.
final class ServerResult: @unchecked Sendable {
    // Unchecked: libpq never changes a result that it has handed over, and this is its only owner.
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQclear(self.pointer) }

    var status: ExecStatusType { PQresultStatus(self.pointer) }
    var isError: Bool { self.status == PGRES_FATAL_ERROR || self.status == PGRES_BAD_RESPONSE }
    var rowCount: Int { Int(PQntuples(self.pointer)) }
    var columnCount: Int { Int(PQnfields(self.pointer)) }

    /// How many rows the statement inserted, changed or deleted; 0 for others.
    var changedRowCount: Int {
        // A SELECT's tag has a number too: that of the rows it returned.
        guard self.status == PGRES_COMMAND_OK || !self.tag.hasPrefix("SELECT") else { return 0 }
        return PQcmdTuples(self.pointer).flatMap { Int(String(cString: $0)) } ?? 0
    }

    /// What the server says it did: `INSERT 0 1`.
    var tag: String { PQcmdStatus(self.pointer).map { String(cString: $0) } ?? "" }

    func columnName(_ column: Int) -> String { PQfname(self.pointer, Int32(column)).map { String(cString: $0) } ?? "" }
    func columnType(_ column: Int) -> Oid { PQftype(self.pointer, Int32(column)) }
    var columnNames: [String] { (0..<self.columnCount).map(self.columnName) }

    /// The bytes of a value, which live as long as the result; nil for NULL.
    func bytes(row: Int, column: Int) -> UnsafeRawBufferPointer? {
        let (row, column) = (Int32(row), Int32(column))
        guard PQgetisnull(self.pointer, row, column) == 0 else { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(self.pointer, row, column), count: Int(PQgetlength(self.pointer, row, column)))
    }

    /// A part of an error.
    func field(_ code: ErrorField) -> String? {
        PQresultErrorField(self.pointer, code.rawValue).map { String(cString: $0) }
    }

    /// The parts of an error that are used (libpq-fe.h, `PG_DIAG_…`; the protocol's error and notice fields). The server's sentences
    /// are not among them: they quote values.
    enum ErrorField: Int32 {
        case sqlState = 0x43
        case position = 0x50
        case table = 0x74
        case column = 0x63
        case constraint = 0x6e
        /// Inside which functions it was, and other circumstances.
        case context = 0x57
        /// Where in the server's own source it was raised.
        case sourceFunction = 0x52
    }
}
