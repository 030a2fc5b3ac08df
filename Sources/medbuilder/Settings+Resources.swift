// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedPrivacy
import MedRuntime
import MedServer
import MedSQLite
import MedStorage

extension Settings {
    /// The database that the settings name. Only this program knows the drivers.
    func makeDatabase(logger: Logger) -> any MedStorage.Database {
        switch self.database.location {
        case .sqlite(let path, let isDefault):
            SQLiteDatabase(path: path, createParentFolders: isDefault, migrations: .medBuilder, logger: logger)
        }
    }

    /// The certificate for the main port, if it speaks TLS. Files that cannot be used end the command with 78.
    func tlsIdentity(logger: Logger) throws -> TLSIdentity? {
        guard let files = self.tls else { return nil }
        do throws(TLSIdentityError) {
            return try TLSIdentity(files: files, logger: logger)
        } catch {
            throw Complaint.exit(error.description, code: ExitCode.configuration)
        }
    }

    /// The PHI key in force: the one that was set, or in development and test the one of the key file, which is made on
    /// first start. None when encryption is switched off. A key that must not be used ends the command with 78.
    func phiKey() throws -> PHIKey? {
        guard self.encryption.isOn else { return nil }
        let file = DevelopmentKeyFile(folder: self.stateDirectory)
        guard let key = self.encryption.key else {
            do throws(DevelopmentKeyFileError) {
                return try file.loadOrCreate()
            } catch {
                throw Complaint.exit(error.description, code: ExitCode.configuration)
            }
        }
        guard self.environment.isDeployed, file.holds(key) else { return key }
        throw Complaint.exit(
            "phi.encryptionKey is the development key in \(file.path); \(self.environment.rawValue) needs one of its own.",
            code: ExitCode.configuration
        )
    }
}
