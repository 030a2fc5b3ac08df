// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// What goes wrong on purpose.
    public struct Drill: Sendable, Equatable {
        /// How the server starts.
        public enum Start: String, Sendable, CaseIterable {
            /// As it should.
            case normal
            /// With a runtime trap.
            case trap
        }

        /// Whether the routes for tests and experiments are served.
        ///
        /// - Key: `drill.routes`. Default: `off`. Refused in production.
        public var routes: Bool
        /// How the server starts.
        ///
        /// - Key: `drill.start`. Default: `normal`. Anything else is refused in production.
        public var start: Start
        /// How long after its start the process opens its ports.
        ///
        /// - Key: `drill.startDelaySeconds`. Default: 0. Anything else is refused in production.
        public var startDelay: Duration
        /// How much longer the clean-up takes.
        ///
        /// - Key: `drill.cleanUpSeconds`. Default: 0. Anything else is refused in production.
        public var cleanUp: Duration

        init(reader: inout SettingsReader, environment: AppEnvironment) {
            self.routes = reader.isOn(.drillRoutes)
            self.start = reader.choice(.drillStart)
            self.startDelay = reader.seconds(.drillStartDelay)
            self.cleanUp = reader.seconds(.drillCleanUp)
            guard environment == .production else { return }
            if self.routes, reader.areSound(.appEnvironment, .drillRoutes) {
                reader.refuse(.drillRoutes, "it must be off in production")
            }
            if self.start != .normal, reader.areSound(.appEnvironment, .drillStart) {
                reader.refuse(.drillStart, "it must be normal in production")
            }
            if self.startDelay != .zero, reader.areSound(.appEnvironment, .drillStartDelay) {
                reader.refuse(.drillStartDelay, "it must be 0 in production")
            }
            if self.cleanUp != .zero, reader.areSound(.appEnvironment, .drillCleanUp) {
                reader.refuse(.drillCleanUp, "it must be 0 in production")
            }
        }
    }
}
