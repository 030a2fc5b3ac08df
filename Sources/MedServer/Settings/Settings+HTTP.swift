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

        /// How long a client may neither send a byte of a body nor take one of an answer.
        ///
        /// - Key: `http.bodyTimeoutSeconds`. Default: 30 seconds. The answer is 408, or the connection is closed.
        public var bodyTimeout: Duration
        /// How many requests a connection may carry.
        ///
        /// - Key: `http.maxRequestsPerConnection`. Default: 0, which is nil: as many as the client likes.
        public var maxRequestsPerConnection: Int?
        /// The most that all header fields of a request may have, in bytes.
        ///
        /// - Key: `http.maxHeaderBytes`. Default: 65536.
        public var maxHeaderBytes: Int
        /// The most that the body of a request may have, in bytes.
        ///
        /// - Key: `http.maxBodyBytes`. Default: 10485760, which is 10 MiB.
        public var maxBodyBytes: Int

        init(reader: inout SettingsReader) {
            self.headerTimeout = reader.seconds(.headerTimeout)
            self.idleTimeout = reader.seconds(.idleTimeout)
            self.bodyTimeout = reader.seconds(.bodyTimeout)
            self.maxConnections = reader.wholeNumber(.maxConnections)
            let requests = reader.wholeNumber(.maxRequestsPerConnection)
            self.maxRequestsPerConnection = requests == 0 ? nil : requests
            self.maxHeaderBytes = reader.wholeNumber(.maxHeaderBytes)
            self.maxBodyBytes = reader.wholeNumber(.maxBodyBytes)
        }
    }
}
