// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// How much the server takes from its clients.
    public struct HTTP: Sendable, Equatable {
        /// How long a client may take to send the head of a request.
        ///
        /// - Key: `http.headerTimeoutSeconds`. Default: 10 seconds. The connection is closed then.
        public var headerTimeout: Duration
        /// How long a connection may wait for its next request.
        ///
        /// - Key: `http.idleTimeoutSeconds`. Default: 75 seconds, above the 60 of the usual load balancer.
        public var idleTimeout: Duration
        /// How many connections may be open at once.
        ///
        /// - Key: `http.maxConnections`. Default: 8192.
        public var maxConnections: Int

        init(reader: inout SettingsReader) {
            self.headerTimeout = reader.seconds(.headerTimeout)
            self.idleTimeout = reader.seconds(.idleTimeout)
            self.maxConnections = reader.wholeNumber(.maxConnections)
        }
    }
}
