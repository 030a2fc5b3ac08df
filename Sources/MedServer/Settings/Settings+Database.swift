// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// Where data is stored, and who brings the schema up to date.
    public struct Database: Sendable, Equatable {
        /// A database.
        public enum Location: Sendable, Equatable {
            /// A file. Missing folders are made for the default file alone, since elsewhere a typing mistake is likelier.
            case sqlite(path: String, isDefault: Bool)
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
        /// When migrations run.
        ///
        /// - Key: `database.migrate`. Default: `auto` in development and test and for the default SQLite file, else `off`.
        public var migration: Migration

        init(reader: inout SettingsReader, environment: AppEnvironment) {
            let path = reader.optionalValue(.databaseURL, parse: Self.sqlitePath(from:)) ?? Self.defaultPath
            if environment.isDeployed, reader.areSound(.appEnvironment) {
                reader.require(.databaseURL, in: environment)
            }
            let isDefault = path == Self.defaultPath || "./" + path == Self.defaultPath
            self.location = .sqlite(path: path, isDefault: isDefault)
            self.migration = reader.choice(
                .databaseMigrate, default: environment.isDeployed && !isDefault ? .off : .auto)
        }

        private static func sqlitePath(from url: String) throws(SettingsReader.Refusal) -> String {
            if url.hasPrefix("postgres://") || url.hasPrefix("postgresql://") {
                throw SettingsReader.Refusal(
                    "it names a Postgres server, and this version stores in SQLite only: sqlite:PATH")
            }
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
