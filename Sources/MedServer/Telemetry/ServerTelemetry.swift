// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
public import MedStorage
public import MedTelemetry

/// What a server measures of itself, in one registry, from its first line on.
///
/// ```swift
/// let telemetry = try ServerTelemetry(
///     MetricRegistry(), version: "1.0.0", environment: "production", databaseSystem: "postgresql")
/// let database = PostgresDatabase(…, observer: telemetry.databaseObserver, poolObserver: telemetry.poolObserver, …)
/// telemetry.watchPool(maximum: 6) { database.statistics }
/// ```
public final class ServerTelemetry: Sendable {
    /// All metrics; an application registers its own here.
    public let registry: MetricRegistry
    /// Hears of statements.
    public var databaseObserver: any DatabaseObserver { self.database }
    /// Hears of the pool.
    public var poolObserver: any PoolObserver { self.database }

    /// All metrics for a collector, by the names that OpenTelemetry has for them.
    public func otlpMetrics() -> [OTLPMetric] {
        let metrics = self.registry.otlpMetrics(self.translations)
        guard let bySchemes else { return metrics }
        let better = bySchemes.otlpMetrics(self.translations)
        let names = Set(better.map(\.name))
        return metrics.filter { !names.contains($0.name) } + better
    }

    /// OpenTelemetry, "Semantic conventions for HTTP metrics" and "for database client metrics".
    ///
    /// - Parameter scheme: of all requests; nil if they have it as a label.
    static func translations(scheme: String?, databaseSystem: String) -> [String: MetricTranslation] {
        let scheme = scheme.map { [OTLPAttribute("url.scheme", .string($0))] } ?? []
        let system = [OTLPAttribute("db.system.name", .string(databaseSystem))]
        // There is one pool.
        let pool = [OTLPAttribute("db.client.connection.pool.name", "database")]
        return [
            "http_request_duration_seconds": MetricTranslation(
                "http.server.request.duration", unit: "s",
                labels: [
                    "method": "http.request.method", "route": "http.route", "status": "http.response.status_code",
                    "scheme": "url.scheme",
                ],
                attributes: scheme),
            "http_requests_in_flight": MetricTranslation(
                "http.server.active_requests", unit: "{request}", labels: ["scheme": "url.scheme"], attributes: scheme),
            "database_query_duration_seconds": MetricTranslation(
                "db.client.operation.duration", unit: "s", labels: ["operation": "db.operation.name"],
                attributes: system),
            "database_pool_connections": MetricTranslation(
                "db.client.connection.count", unit: "{connection}", labels: ["state": "db.client.connection.state"],
                attributes: pool),
            "database_pool_max_connections": MetricTranslation(
                "db.client.connection.max", unit: "{connection}", attributes: pool),
            "database_pool_wait_seconds": MetricTranslation(
                "db.client.connection.wait_time", unit: "s", attributes: pool),
        ]
    }

    let tracer: RecordingTracer?
    private let translations: [String: MetricTranslation]
    /// What a collector gets instead of what the page has, where requests differ in their scheme.
    private let bySchemes: MetricRegistry?
    private let inFlightBySchemes: MetricFamily<Gauge>?
    let http: HTTPMetrics
    /// Shutdowns of this process, as far as they were recorded before its end.
    let shutdowns: MetricFamily<Counter>
    private let database: DatabaseMetrics
    private let process: ProcessMetrics
    private let memory: Gauge
    private let inFlight: Gauge
    private let pool: MetricFamily<Gauge>
    private let poolMaximum: MetricFamily<Gauge>
    private let schemaVersion: MetricFamily<Gauge>
    private let health: MetricFamily<Gauge>
    private let ready: Gauge
    private let live: Gauge
    private let phase: MetricFamily<Gauge>
    private let receipts: MetricFamily<Gauge>
    private let logDropped: MetricFamily<Counter>
    private let logSpilled: MetricFamily<Counter>
    private let otlpItems: MetricFamily<Counter>
    private let otlpBatches: MetricFamily<Counter>
    private let otlpRetries: MetricFamily<Counter>

    /// Registers everything.
    ///
    /// - Parameters:
    ///   - registry: where.
    ///   - version: of the program.
    ///   - environment: where it runs.
    ///   - scheme: `https` if clients speak TLS with the server.
    ///   - hasPlainPort: whether another port, that for management, speaks plain HTTP whatever the scheme.
    ///   - databaseSystem: which database it has, by the name that OpenTelemetry has for it: `postgresql`, `sqlite`.
    ///   - tracer: who traces requests and statements; nobody if nil.
    /// - Throws: `MetricError` if the registry has something else under one of the names.
    public init(
        _ registry: MetricRegistry, version: String, environment: String, scheme: String = "http",
        hasPlainPort: Bool = false,
        databaseSystem: String,
        tracer: RecordingTracer? = nil
    ) throws(MetricError) {
        self.registry = registry
        let bySchemes = scheme != "http" && hasPlainPort ? MetricRegistry(now: registry.now) : nil
        self.bySchemes = bySchemes
        self.translations = Self.translations(scheme: bySchemes == nil ? scheme : nil, databaseSystem: databaseSystem)
        self.tracer = tracer
        self.http = try HTTPMetrics(registry, sent: bySchemes)
        self.database = try DatabaseMetrics(registry, system: databaseSystem, tracer: tracer)
        self.process = try ProcessMetrics(registry)
        self.memory = try registry.gauge(
            "memory_usage_bytes",
            help: "Memory in use, as in /health: of the container where there is a limit, else of the process."
        ).with()
        let inFlightHelp = "Requests that were taken and are not answered; probes are not counted."
        self.inFlight = try registry.gauge("http_requests_in_flight", help: inFlightHelp).with()
        self.inFlightBySchemes =
            if let bySchemes {
                try bySchemes.gauge("http_requests_in_flight", help: inFlightHelp, labels: ["scheme"])
            } else { nil }
        // Registered from the beginning, so that an alert on it can be written; there are no WebSockets yet.
        _ = try registry.gauge("active_connections", help: "WebSocket connections that are open.").with()
        self.pool = try registry.gauge(
            "database_pool_connections", help: "Connections of the pool, and who waits for one.", labels: ["state"])
        self.poolMaximum = try registry.gauge(
            "database_pool_max_connections", help: "How many connections the pool may have.")
        self.schemaVersion = try registry.gauge(
            "database_migration_version", help: "The version of the schema, as it was read last.")
        self.health = try registry.gauge(
            "medbuilder_health_status", help: "1 for what /health says, 0 for what it does not.", labels: ["status"])
        self.ready = try registry.gauge("medbuilder_ready", help: "Whether /ready is 200.").with()
        self.live = try registry.gauge("medbuilder_live", help: "Whether /live is 200.").with()
        self.phase = try registry.gauge(
            "medbuilder_phase", help: "1 for the phase that the process is in, 0 for the others.", labels: ["phase"])
        self.shutdowns = try registry.counter(
            "graceful_shutdowns",
            help: "Shutdowns of this process, by what began them and how they ended; see medbuilder_shutdown_receipts.",
            labels: ["trigger", "outcome"])
        self.receipts = try registry.gauge(
            "medbuilder_shutdown_receipts",
            help: "Shutdowns of all replicas in the last 24 hours, as the database has them.",
            labels: ["trigger", "outcome"])
        self.logDropped = try registry.counter(
            "log_lines_dropped", help: "Log lines that were lost because nobody read them.", labels: ["level"])
        self.logSpilled = try registry.counter("log_lines_spilled", help: "Log lines that waited in the spill file.")
        self.otlpItems = try registry.counter(
            "otlp_items",
            help: "Spans, log records and points of metrics for a collector: exported, or dropped, which is lost.",
            labels: ["signal", "outcome"])
        self.otlpBatches = try registry.counter(
            "otlp_batches",
            help:
                "Requests to a collector: exported, failed, which is refused or given up, or spooled for the next start.",
            labels: ["signal", "outcome"])
        self.otlpRetries = try registry.counter(
            "otlp_retries", help: "Requests to a collector that were sent once more.", labels: ["signal"])
        try registry.gauge(
            "medbuilder_build_info", help: "1; what runs here is in the labels.", labels: ["version", "environment"]
        )
        .with(version, environment).set(1)
        let process = self.process
        registry.onCollect { process.read() }
    }

    /// Shows how a pool is; `statistics` is asked for every page.
    public func watchPool(maximum: Int, _ statistics: @escaping @Sendable () -> PoolStatistics) {
        self.poolMaximum.with().set(Double(maximum))
        let (idle, busy, waiting) = (self.pool.with("idle"), self.pool.with("busy"), self.pool.with("waiting"))
        self.registry.onCollect {
            let now = statistics()
            idle.set(Double(now.idle))
            busy.set(Double(now.busy))
            waiting.set(Double(now.waiting))
        }
    }

    /// Shows how many log lines are missing.
    public func watchLog(_ writer: LogWriter) {
        let (below, errors) = (self.logDropped.with("below_error"), self.logDropped.with("error"))
        let spilled = self.logSpilled.with()
        self.registry.onCollect {
            errors.raise(to: Double(writer.droppedErrorCount))
            below.raise(to: Double(writer.droppedLineCount - writer.droppedErrorCount))
            spilled.raise(to: Double(writer.spilledLineCount))
        }
    }

    /// Shows what has become of what was to leave for a collector.
    public func watchExporter(_ exporter: OTLPExporter) {
        let signals = OTLPSignal.allCases.map { signal in
            let name = signal.rawValue
            return (
                signal: signal,
                exported: self.otlpItems.with(name, "exported"), dropped: self.otlpItems.with(name, "dropped"),
                exportedBatches: self.otlpBatches.with(name, "exported"),
                failedBatches: self.otlpBatches.with(name, "failed"),
                spooledBatches: self.otlpBatches.with(name, "spooled"), retries: self.otlpRetries.with(name)
            )
        }
        self.registry.onCollect {
            for series in signals {
                let now = exporter.counters(of: series.signal)
                series.exported.raise(to: Double(now.exported))
                series.dropped.raise(to: Double(now.dropped))
                series.exportedBatches.raise(to: Double(now.exportedBatches))
                series.failedBatches.raise(to: Double(now.failedBatches))
                series.spooledBatches.raise(to: Double(now.spooledBatches))
                series.retries.raise(to: Double(now.retries))
            }
        }
    }

    /// Shows what the probes say, what is in flight, and what is in the book of shutdowns.
    func watch(_ probes: Probes, _ lifecycle: Lifecycle, _ book: ShutdownBook) {
        let reader = MemoryUsageReader()
        self.registry.onCollect {
            let state = probes.state
            self.ready.set(state.isReady ? 1 : 0)
            self.live.set(state.isAlive ? 1 : 0)
            for status in HealthStatus.allCases {
                self.health.with(status.rawValue).set(status == state.health ? 1 : 0)
            }
            for phase in Phase.allCases { self.phase.with("\(phase)").set(phase == lifecycle.phase ? 1 : 0) }
            self.inFlight.set(Double(lifecycle.work.count { $0 is Exchange }))
            if let inFlightBySchemes = self.inFlightBySchemes {
                for (scheme, isSecure) in [("http", false), ("https", true)] {
                    let count = lifecycle.work.count { ($0 as? Exchange)?.isSecure == isSecure }
                    inFlightBySchemes.with(scheme).set(Double(count))
                }
            }
            if let usage = try? reader.read() { self.memory.set(Double(usage.usedBytes)) }
            if let version = book.schemaVersion { self.schemaVersion.with().set(Double(version)) }
            for count in book.counts { self.receipts.with(count.trigger, count.outcome).set(Double(count.count)) }
        }
    }
}
