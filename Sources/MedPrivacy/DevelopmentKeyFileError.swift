// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Why the development key file could not be used. Descriptions name the path and never contain key material.
public struct DevelopmentKeyFileError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case notAKey, notPrivate, notAFile, unreadable, notCreated }
        private let value: Value

        /// The file holds something else than a key.
        public static let notAKey = Code(value: .notAKey)
        /// Others than the owner may read or write the file.
        public static let notPrivate = Code(value: .notPrivate)
        /// A folder, a symbolic link to nothing or the like has the file's name.
        public static let notAFile = Code(value: .notAFile)
        /// The file is there and cannot be read.
        public static let unreadable = Code(value: .unreadable)
        /// There was no file, and none could be made.
        public static let notCreated = Code(value: .notCreated)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String

    static func notAKey(path: String, reason: PHIKeyError) -> Self {
        Self(
            code: .notAKey,
            description: "The development key file '\(path)' does not hold a key. \(reason) The file is left as it is: "
                + "restore it from a backup, or remove it if nothing is encrypted under it, and a new one is made."
        )
    }

    static func notPrivate(path: String) -> Self {
        Self(
            code: .notPrivate,
            description: "The development key file '\(path)' is open to other users. Run `chmod 600 '\(path)'`."
        )
    }

    static func notAFile(path: String) -> Self {
        Self(
            code: .notAFile,
            description: "The development key file '\(path)' is a folder or another thing that is not a file. "
                + "Move it away, and a new key is made."
        )
    }

    static func danglingLink(path: String) -> Self {
        Self(
            code: .notAFile,
            description: "The development key file '\(path)' is a symbolic link to a file that is not there. "
                + "Restore that file, or remove the link, and a new key is made."
        )
    }

    static func unreadable(path: String, errno: CInt) -> Self {
        Self(
            code: .unreadable,
            description: "The development key file '\(path)' cannot be read: \(String(cString: strerror(errno))). "
                + "Let the user that runs this read it, or set MEDBUILDER_STATE_DIR to another folder."
        )
    }

    static func notCreated(path: String, step: String, errno: CInt) -> Self {
        Self(
            code: .notCreated,
            description: "The development key file '\(path)' cannot be made: \(step): "
                + "\(String(cString: strerror(errno))). Let the user that runs this write there, "
                + "or set MEDBUILDER_STATE_DIR to another folder, or PHI_ENCRYPTION_KEY to a key."
        )
    }
}
