// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Synchronization

/// Sends spans, log records and metrics to a collector by OTLP/HTTP.
///
/// Whoever records something never waits: it goes to a queue of bounded size, and what finds no room is dropped and
/// counted. A collector that is away, slow or wrong costs nothing else. What cannot be sent before the process ends
/// goes to a spool, and the next process sends it first.
///
/// ```swift
/// let configuration = try OTLPConfiguration(environment: ProcessInfo.processInfo.environment)
/// let exporter = OTLPExporter(
///     configuration, resource: configuration.resource([OTLPAttribute("service.name", "clinic")]),
///     scope: OTLPScope(name: "medbuilder", version: version), spool: OTLPSpool(folder: "\(state)/otlp"))
/// exporter.start()
/// // …
/// await exporter.shutdown(within: .seconds(5))
/// ```
public final class OTLPExporter: Sendable {
    private enum Phase {
        case idle
        case running([Task<Void, Never>])
        case ended
    }

    private let traces: OTLPWorker<FinishedSpan>?
    private let logs: OTLPWorker<OTLPLogRecord>?
    private let metrics: OTLPWorker<OTLPMetric>?
    /// Where each signal goes.
    private let addresses: [(signal: OTLPSignal, endpoint: OTLPEndpoint)]
    private let sender: OTLPSender?
    private let spool: OTLPSpool?
    private let clock: TelemetryClock
    private let phase = Mutex(Phase.idle)

    /// An exporter that does nothing yet but gather.
    ///
    /// - Parameters:
    ///   - configuration: where to, and how.
    ///   - resource: what all signals say about this process (``OTLPConfiguration/resource(_:)``).
    ///   - scope: which library has recorded all this.
    ///   - spool: where things wait for the next process; `nil` if they do not.
    ///   - metrics: the metrics, whenever they are to be reported: what has happened since the start.
    public convenience init(
        _ configuration: OTLPConfiguration, resource: [OTLPAttribute], scope: OTLPScope, spool: OTLPSpool? = nil,
        metrics: (@Sendable () -> [OTLPMetric])? = nil
    ) {
        self.init(
            configuration, resource: resource, scope: scope, spool: spool, metrics: metrics, clock: .system,
            random: { .random(in: 0...1) })
    }

    init(
        _ configuration: OTLPConfiguration, resource: [OTLPAttribute], scope: OTLPScope, spool: OTLPSpool?,
        metrics: (@Sendable () -> [OTLPMetric])?, clock: TelemetryClock, random: @escaping @Sendable () -> Double
    ) {
        self.addresses = OTLPSignal.allCases.compactMap { signal in
            configuration.endpoint(of: signal).map { (signal, $0) }
        }
        let sender = configuration.isEnabled ? OTLPSender(clock: clock) : nil
        self.sender = sender
        self.spool = spool
        self.clock = clock

        func worker<Item: Sendable>(
            _ signal: OTLPSignal, _ endpoint: OTLPEndpoint?, _ message: OTLPMessage<OTLPRequest<Item>>,
            _ batching: OTLPBatching, source: (@Sendable () -> [Item])? = nil,
            weight: @escaping @Sendable (Item) -> Int = { _ in 1 },
            parts: @escaping @Sendable (Item) -> [Item] = { [$0] }
        ) -> OTLPWorker<Item>? {
            guard let endpoint, let sender else { return nil }
            return OTLPWorker(
                bodies: OTLPBodies(
                    signal: signal, message: message, resource: resource, scope: scope, endpoint: endpoint,
                    weight: weight, parts: parts),
                batching: batching, source: source, spool: spool, clock: clock, random: random,
                send: { await sender.send($0, to: endpoint) })
        }

        self.traces = worker(.traces, configuration.traces, OTLPSchema.traces, configuration.spanBatching)
        self.logs = worker(.logs, configuration.logs, OTLPSchema.logs, configuration.logBatching)
        let deltas = Mutex(OTLPDeltas(configuration.temporality))
        self.metrics = metrics.flatMap { metrics in
            worker(
                .metrics, configuration.metrics, OTLPSchema.metrics,
                OTLPBatching(delay: configuration.metricInterval, exportTimeout: configuration.metricTimeout),
                source: {
                    let snapshot = metrics().filter { $0.pointCount > 0 }
                    return deltas.withLock { $0.convert(snapshot) }
                }, weight: { $0.pointCount }, parts: { $0.halves })
        }
    }

    deinit {
        // Forgotten without a shutdown: what it has is lost, but nothing goes on for ever, and the client of HTTP,
        // which stops a debug build otherwise, is shut down.
        switch self.phase.withLock({ $0 }) {
        case .ended: return
        case .idle: break
        case .running(let tasks): for task in tasks { task.cancel() }
        }
        if let sender { Task.detached { await sender.shutdown() } }
    }

    // MARK: Recording

    /// Takes a span, if traces are exported. It never waits.
    public func record(_ span: FinishedSpan) { self.traces?.record(span, size: span.size) }

    /// Takes a log record, if logs are exported. It never waits.
    public func record(_ record: OTLPLogRecord) { self.logs?.record(record, size: record.size) }

    // MARK: Life

    /// Begins to send; first what an earlier process has left. Once.
    public func start() {
        self.phase.withLock { phase in
            guard case .idle = phase else { return }
            var tasks: [Task<Void, Never>] = []
            // Detached: the exporter belongs to no request, and must not be in any trace.
            if let traces { tasks.append(Task.detached { await traces.run() }) }
            if let logs { tasks.append(Task.detached { await logs.run() }) }
            if let metrics { tasks.append(Task.detached { await metrics.run() }) }
            phase = .running(tasks)
        }
    }

    /// Waits until everything that is there now was sent or given up. Before ``start()`` there is nothing to wait for.
    public func flush() async {
        if self.phase.withLock({ if case .idle = $0 { true } else { false } }) { return }
        await withTaskGroup { group in
            if let traces { group.addTask { await traces.flush() } }
            if let logs { group.addTask { await logs.flush() } }
            if let metrics { group.addTask { await metrics.flush() } }
        }
    }

    /// Sends the rest, with a last report of the metrics, for as long as this at most; then puts what is left into the
    /// spool. What is recorded afterwards is dropped and counted.
    public func shutdown(within limit: Duration) async {
        let phase = self.phase.withLock { phase in
            let before = phase
            phase = .ended
            return before
        }
        if case .ended = phase { return }
        if case .running(let tasks) = phase {
            self.traces?.drain()
            self.logs?.drain()
            self.metrics?.drain()
            let clock = self.clock
            await withTaskGroup { group in
                group.addTask { try? await clock.sleep(limit) }
                group.addTask {
                    for task in tasks { await task.value }
                }
                await group.next()
                for task in tasks { task.cancel() }
                group.cancelAll()
            }
        }
        if let traces { await self.spoolRest(of: traces) }
        if let logs { await self.spoolRest(of: logs) }
        if let metrics { await self.spoolRest(of: metrics) }
        await self.sender?.shutdown()
    }

    private func spoolRest<Item>(of worker: OTLPWorker<Item>) async {
        let bodies = worker.takeRest()
        let isKept = await self.spool?.save(bodies, wallNow: self.clock.wallNow()) ?? bodies.map { _ in false }
        for (body, isKept) in zip(bodies, isKept) {
            worker.count { counters in
                if isKept {
                    counters.spooledBatches += 1
                } else {
                    counters.drop(body.count, because: .notSpooled)
                }
            }
        }
    }

    // MARK: Telling

    /// Tells the log where everything goes; then when a collector does not take what it should, at most once a minute for each signal, and
    /// when it does again. It runs until its task is cancelled; then it tells of what was lost since.
    ///
    /// - Parameters:
    ///   - logger: whom to tell.
    ///   - interval: how often to look.
    public func watch(_ logger: Logger, every interval: Duration = .seconds(5)) async {
        self.tellBeginning(logger)
        var courses = self.addresses.map { (signal: $0.signal, endpoint: $0.endpoint, course: OTLPCourse()) }
        let start = ContinuousClock.now
        var isLast = false
        while !isLast {
            isLast = (try? await Task.sleep(for: interval)) == nil
            for index in courses.indices {
                let (signal, endpoint) = (courses[index].signal, courses[index].endpoint)
                switch courses[index].course.next(self.counters(of: signal), now: .now - start, isLast: isLast) {
                case nil: break
                case .failing(let reasons, let lost):
                    logger.warning(
                        "Telemetry is not taken",
                        metadata: [
                            "otlp.signal": "\(signal.rawValue)", "otlp.lost": "\(lost)",
                            "server.address": "\(endpoint.host)", "server.port": "\(endpoint.port)",
                            "error.message": "\(reasons.map(\.description).joined(separator: " "))",
                        ])
                case .recovered:
                    logger.notice("Telemetry is taken again", metadata: ["otlp.signal": "\(signal.rawValue)"])
                }
            }
        }
    }

    private func tellBeginning(_ logger: Logger) {
        guard !self.addresses.isEmpty else { return }
        logger.notice(
            "Telemetry is sent",
            metadata: Logger.Metadata(
                uniqueKeysWithValues: self.addresses.map {
                    ("otlp.\($0.signal.rawValue)", .string($0.endpoint.address))
                }))
    }

    // MARK: Counters

    /// What has become of the items of a signal; all zero if it is not exported.
    public func counters(of signal: OTLPSignal) -> OTLPCounters {
        switch signal {
        case .traces: self.traces?.counters ?? OTLPCounters()
        case .logs: self.logs?.counters ?? OTLPCounters()
        case .metrics: self.metrics?.counters ?? OTLPCounters()
        }
    }

    /// How many spans are lost.
    public var droppedSpans: Int { self.counters(of: .traces).dropped }
    /// How many log records are lost.
    public var droppedLogs: Int { self.counters(of: .logs).dropped }
    /// How many points of metrics are lost.
    public var droppedMetricPoints: Int { self.counters(of: .metrics).dropped }
    /// How many requests a collector has taken.
    public var exportedBatches: Int { self.sum(\.exportedBatches) }
    /// How many requests were refused or given up.
    public var failedBatches: Int { self.sum(\.failedBatches) }

    private func sum(_ counter: KeyPath<OTLPCounters, Int>) -> Int {
        OTLPSignal.allCases.reduce(0) { $0 + self.counters(of: $1)[keyPath: counter] }
    }
}
