// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import GRDB
import MedStorage

extension DatabaseError {
    static func closed(path: String) -> Self {
        Self(code: .closed, description: "Database '\(path)' is not open.")
    }

    /// Says in our words what went wrong. SQLite's own message is left out: it can quote data.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as DatabaseError: self = error
        case let error as GRDB.DatabaseError: self.init(error.extendedResultCode, path: path)
        default:
            self.init(code: .other, description: "Database '\(path)' failed with an error of type \(type(of: error)).")
        }
    }

    private init(_ result: ResultCode, path: String) {
        let file = "Database '\(path)'"
        let (code, sentence): (Code, String) =
            switch (result, result.primaryResultCode) {
            case (.SQLITE_READONLY_DBMOVED, _):
                (.replaced, "was deleted or replaced while it was open. Put the file back and restart the server.")
            case (_, .SQLITE_BUSY), (_, .SQLITE_LOCKED):
                (
                    .locked,
                    "is locked by somebody else. Look for another process that has the file open, such as a backup or a shell."
                )
            case (_, .SQLITE_READONLY):
                (.readOnly, "cannot be written. Make the file and its folder writable for the server.")
            case (_, .SQLITE_FULL), (.SQLITE_IOERR_SHMSIZE, _):
                (.full, "is full. Make space where the file is.")
            case (_, .SQLITE_CORRUPT):
                (.corrupt, "is corrupt. Stop the server and restore the file from a backup.")
            case (_, .SQLITE_NOTADB):
                (
                    .notADatabase,
                    "is not a SQLite database, or its first page is damaged. Restore it from a backup, or name another file."
                )
            case (_, .SQLITE_CANTOPEN), (_, .SQLITE_PERM):
                (.cannotOpen, "cannot be opened. Look at the permissions of the file and its folder.")
            case (_, .SQLITE_IOERR):
                (
                    .inputOutput,
                    "cannot be read or written: the storage reported a failure. Look at the disk and the kernel log."
                )
            case (_, .SQLITE_CONSTRAINT):
                (.constraint, "refused a statement that would break a rule of the schema.")
            case (_, .SQLITE_INTERRUPT):
                (.cancelled, "was interrupted because the server is stopping.")
            case (_, .SQLITE_ERROR):
                (.invalidStatement, "could not carry out a statement.")
            default:
                (.other, "failed.")
            }
        self.init(code: code, description: "\(file) \(sentence) (SQLite \(result.rawValue))")
    }

    /// The same error, said of a file.
    func about(path: String) -> Self {
        Self(code: self.code, description: "Database '\(path)': \(self.description)")
    }
}
