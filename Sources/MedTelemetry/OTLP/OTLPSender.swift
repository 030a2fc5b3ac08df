// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Sends bodies over HTTP.
struct OTLPSender: Sendable {
    /// Bytes of an answer that are read. More of them say nothing more.
    private static let maximumAnswerSize = 65_536

    private let client: HTTPClient
    private let clock: TelemetryClock

    init(clock: TelemetryClock) {
        self.clock = clock
        self.client = HTTPClient(
            eventLoopGroupProvider: .shared(HTTPClient.defaultEventLoopGroup), configuration: Self.configuration)
    }

    static var configuration: HTTPClient.Configuration {
        // The headers hold a key: it goes to the address that was set, and to no other.
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        // A request that exports spans must not make more of them.
        configuration.tracing.tracer = nil
        configuration.maximumUsesPerConnection = nil
        // The guard is of HTTP/1.1, which every collector speaks.
        configuration.httpVersion = .http1Only
        configuration.http1_1ConnectionDebugInitializer = { OTLPStatusGuard.add(to: $0) }
        configuration.connectionPool = .init(
            idleTimeout: .seconds(30), concurrentHTTP1ConnectionsPerHostSoftLimit: 2)
        // The back-off is ours: a collector that is away must be known as such at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    /// Sends the body once. It always returns: after the endpoint's timeout, or soon after the task is cancelled, as it is when the
    /// process ends.
    func send(_ body: OTLPBody, to endpoint: OTLPEndpoint) async -> OTLPAnswer {
        await withTaskGroup(of: OTLPAnswer.self) { group in
            group.addTask { await self.request(body, to: endpoint) }
            group.addTask {
                // Real time, whatever the clock of the back-off is: it is the network that is waited for.
                do {
                    try await Task.sleep(for: endpoint.timeout)
                    return .later(nil, .timeout)
                } catch {
                    return .later(nil, .shutDown)
                }
            }
            let answer = await group.next() ?? .later(nil, .shutDown)
            group.cancelAll()
            // Whatever the client makes of it: it is we who have broken off.
            if Task.isCancelled, case .later = answer { return .later(nil, .shutDown) }
            return answer
        }
    }

    private func request(_ body: OTLPBody, to endpoint: OTLPEndpoint) async -> OTLPAnswer {
        var request = HTTPClientRequest(url: endpoint.url)
        request.method = .POST
        request.tlsConfiguration = endpoint.certificates?.configuration
        for header in endpoint.headers { request.headers.add(name: header.name, value: header.value) }
        request.headers.replaceOrAdd(name: "Content-Type", value: body.form.contentType)
        if body.isCompressed { request.headers.replaceOrAdd(name: "Content-Encoding", value: "gzip") }
        if !request.headers.contains(name: "User-Agent") {
            request.headers.add(name: "User-Agent", value: "MedBuilder-OTLP-Exporter")
        }
        request.body = .bytes(ByteBuffer(bytes: body.bytes))
        do {
            let response = try await self.client.execute(request, timeout: .nanoseconds(endpoint.timeout.nanoseconds))
            if let failure = OTLPAnswer.failure(
                status: Int(response.status.code), retryAfter: response.headers.first(name: "Retry-After"),
                wallNow: self.clock.wallNow())
            {
                return failure
            }
            return .taken(rejected: min(try await self.rejected(response, body), body.count))
        } catch {
            // No answer, or half of one: it may come through the next time. Sent twice is better than lost.
            return .later(nil, OTLPFailure(error))
        }
    }

    private func rejected(_ response: HTTPClientResponse, _ body: OTLPBody) async throws -> Int {
        var bytes: [UInt8] = []
        for try await part in response.body {
            bytes.append(contentsOf: part.readableBytesView)
            // It was a success; what else is said does not matter any more.
            guard bytes.count <= Self.maximumAnswerSize else { return 0 }
        }
        let type = response.headers.first(name: "Content-Type")?.lowercased() ?? body.form.contentType
        return OTLPAnswer.rejected(bytes, isJSON: type.contains("json"), signal: body.signal)
    }

    /// Ends the client. One that waits for a network that swallows everything would take longer than whoever waits for the end has: it goes
    /// on without them.
    func shutdown() async {
        let done = Doorbell()
        Task.detached { [client] in
            try? await client.shutdown()
            done.ring()
        }
        await done.wait(upTo: .milliseconds(500), .system)
    }
}

extension Duration {
    /// At most the largest number.
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product + attoseconds / 1_000_000_000
    }
}
