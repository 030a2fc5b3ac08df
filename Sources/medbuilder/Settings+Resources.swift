// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedPostgres
import MedPrivacy
import MedRuntime
import MedServer
import MedSQLite
import MedStorage

extension Settings {
    /// The database that the settings name. Only this program knows the drivers. A URL that cannot be used ends the command with 78.
    ///
    /// - Parameter isPatient: whether nobody tries again: then a Postgres server may take longer to let us in, and somebody else may have
    ///   a SQLite file longer.
    func makeDatabase(
        telemetry: ServerTelemetry? = nil, logger: Logger, isPatient: Bool = false
    ) throws -> any MedStorage.Database {
        switch self.database.location {
        case .sqlite(let path, let isDefault):
            return SQLiteDatabase(
                path: path, createParentFolders: isDefault, migrations: .medBuilder,
                startTimeout: .seconds(isPatient ? 10 : 1), observer: telemetry?.databaseObserver, logger: logger)
        case .postgres(let url, let direct):
            let database = PostgresDatabase(
                location: try self.postgresLocation(url, .databaseURL, logger: logger),
                direct: try direct.map { try self.postgresLocation($0, .databaseDirectURL, logger: logger) },
                migrations: .medBuilder,
                configuration: PoolConfiguration(maximum: self.database.poolSize),
                limits: PostgresLimits(connect: .seconds(isPatient ? 10 : 2)),
                observer: telemetry?.databaseObserver,
                poolObserver: telemetry?.poolObserver,
                logger: logger
            )
            telemetry?.watchPool(maximum: self.database.poolSize) { database.statistics }
            return database
        }
    }

    private func postgresLocation(_ url: String, _ setting: Setting, logger: Logger) throws -> PostgresLocation {
        guard let location = PostgresLocation(url: url) else {
            throw Complaint.exit(
                "\(setting.key) (\(setting.environmentName)) is refused: libpq does not take the URL. It must be "
                    + "postgres://user:password@host:port/database?option=value, with % for special characters.",
                code: ExitCode.configuration
            )
        }
        guard self.environment.isDeployed, !location.isLocal, !location.isVerified else { return location }
        guard self.database.tls == .insecure else {
            throw Complaint.exit(
                "\(setting.key) (\(setting.environmentName)) is refused: \(self.environment.rawValue) needs sslmode=verify-full for a "
                    + "server that is not this machine, or DATABASE_TLS=insecure.",
                code: ExitCode.configuration
            )
        }
        logger.warning("The way to the database is not secured", metadata: ["database.setting": "\(setting.key)"])
        return location
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
