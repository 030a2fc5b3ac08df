// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// Where data is stored, and who brings the schema up to date.
    public struct Database: Sendable, Equatable {
        /// A database.
        public enum Location: Sendable, Equatable {
            /// A file. Missing folders are made for the default file alone, since elsewhere a typing mistake is likelier.
            case sqlite(path: String, isDefault: Bool)
            /// A PostgreSQL server, by a URL as libpq takes it.
            ///
            /// - Parameters:
            ///   - url: the server, or a pooler before it.
            ///   - direct: the way past the pooler, for what needs a session of its own.
            case postgres(url: String, direct: String?)
        }

        /// The kind of database, by the name that OpenTelemetry has for it ("Semantic conventions for database client spans").
        public var system: String {
            switch self.location {
            case .sqlite: "sqlite"
            case .postgres: "postgresql"
            }
        }

        /// What is demanded of the way to a server that is not this machine.
        public enum TLS: String, Sendable, Equatable, CaseIterable {
            /// TLS, and a certificate for the very host that was asked for: `sslmode=verify-full`.
            case verified
            /// Nothing; said in the log.
            case insecure
        }

        /// When migrations run.
        public enum Migration: String, Sendable, Equatable, CaseIterable {
            /// `serve` runs them when it starts.
            case auto
            /// Only `medbuilder migrate` runs them.
            case off
        }

        static let defaultPath = "./.medbuilder/medbuilder.sqlite"

        /// The database.
        ///
        /// - Key: `database.url`, a secret, because the URL of a server holds a password.
        /// - Default: the SQLite file `./.medbuilder/medbuilder.sqlite`; none in staging and production.
        public var location: Location
        /// What is demanded of the way to a Postgres server in staging and production.
        ///
        /// - Key: `database.tls`. Default: `verified`.
        public var tls: TLS
        /// How many connections to a Postgres server the pool has at most; the health check has one more.
        ///
        /// - Key: `database.poolSize`. Default: 6.
        public var poolSize: Int
        /// When migrations run.
        ///
        /// - Key: `database.migrate`. Default: `auto` in development and test and for the default SQLite file, else `off`.
        public var migration: Migration

        init(reader: inout SettingsReader, environment: AppEnvironment) {
            var location =
                reader.optionalValue(.databaseURL, parse: Self.location(from:))
                ?? .sqlite(
                    path: Self.defaultPath, isDefault: true)
            if environment.isDeployed, reader.areSound(.appEnvironment) {
                reader.require(.databaseURL, in: environment)
            }
            let direct = reader.optionalValue(.databaseDirectURL) { url throws(SettingsReader.Refusal) in
                guard Self.isPostgres(url) else { throw SettingsReader.Refusal(Setting.databaseDirectURL.rule) }
                return url
            }
            self.tls = reader.choice(.databaseTLS)
            self.poolSize = reader.wholeNumber(.databasePoolSize)
            var isDefault = false
            switch location {
            case .sqlite(_, let isDefaultFile): isDefault = isDefaultFile
            case .postgres(let url, _): location = .postgres(url: url, direct: direct)
            }
            self.location = location
            self.migration = reader.choice(
                .databaseMigrate, default: environment.isDeployed && !isDefault ? .off : .auto)
        }

        private static func isPostgres(_ url: String) -> Bool {
            url.hasPrefix("postgres://") || url.hasPrefix("postgresql://")
        }

        private static func location(from url: String) throws(SettingsReader.Refusal) -> Location {
            if self.isPostgres(url) { return .postgres(url: url, direct: nil) }
            let path = try self.sqlitePath(from: url)
            return .sqlite(path: path, isDefault: path == self.defaultPath || "./" + path == self.defaultPath)
        }

        private static func sqlitePath(from url: String) throws(SettingsReader.Refusal) -> String {
            guard url.hasPrefix("sqlite:") else { throw SettingsReader.Refusal(Setting.databaseURL.rule) }
            let path = String(url.dropFirst("sqlite:".count))
            if path.isEmpty || path == ":memory:" {
                throw SettingsReader.Refusal("it must name a file: sqlite:PATH")
            }
            // `sqlite://data.db` would be the file /data.db, which nobody means.
            if path.hasPrefix("//"), !path.hasPrefix("///") {
                throw SettingsReader.Refusal("it must be sqlite:PATH, without // before the path")
            }
            return path
        }
    }
}
