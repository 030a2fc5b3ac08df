// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Hummingbird
public import Logging
public import NIOCore

/// What a route handler knows of its request besides the request itself.
public struct ServerRequestContext: RequestContext {
    /// Where a context comes from: the connection.
    public struct Source: RequestContextSource {
        /// The request's logger.
        public let logger: Logger
        /// The connection.
        public let channel: any Channel
        let route: EndpointPath
    }

    public var coreContext: CoreRequestContextStorage
    /// The connection that the request came by.
    public let channel: any Channel

    public init(source: Source) {
        self.coreContext = CoreRequestContextStorage(source: source)
        // The connection holds the same box, so that a shutdown's log can name the route of a request in flight.
        self.coreContext.endpointPath = source.route
        self.channel = source.channel
    }
}
