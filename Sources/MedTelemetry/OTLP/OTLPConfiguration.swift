// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The settings of OpenTelemetry, from the variables that its specification names.
///
/// Nothing is exported unless an endpoint is set. Times are milliseconds; a variable that is empty counts as not set
/// ("Environment Variable Specification" and "OTLP Exporter Configuration" of OpenTelemetry).
public struct OTLPConfiguration: Sendable, Equatable {
    /// Where traces go; `nil` if they go nowhere.
    ///
    /// - Key: `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces`, or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is.
    ///   Nowhere with `OTEL_TRACES_EXPORTER=none` or `OTEL_SDK_DISABLED=true`. Further, each also for one signal as in
    ///   `OTEL_EXPORTER_OTLP_TRACES_HEADERS`: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_PROTOCOL`
    ///   (`http/protobuf` or `http/json`), `OTEL_EXPORTER_OTLP_TIMEOUT` (10000), `OTEL_EXPORTER_OTLP_COMPRESSION`
    ///   (`none` or `gzip`).
    public var traces: OTLPEndpoint?
    /// Where metrics go, as ``traces``.
    public var metrics: OTLPEndpoint?
    /// Where log records go, as ``traces``.
    public var logs: OTLPEndpoint?

    /// The name of the service; of the log as well, so it is read although nothing leaves.
    ///
    /// - Key: `OTEL_SERVICE_NAME`, or `service.name` of `OTEL_RESOURCE_ATTRIBUTES`.
    public var serviceName: String?
    /// What all signals say about this process.
    ///
    /// - Key: `OTEL_RESOURCE_ATTRIBUTES`, as in `service.namespace=clinic,deployment.environment.name=production`. One with
    ///   an empty value counts as not given.
    public var resourceAttributes: [OTLPAttribute] = []

    /// Which traces are recorded.
    ///
    /// - Key: `OTEL_TRACES_SAMPLER`: `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`;
    ///   with `OTEL_TRACES_SAMPLER_ARG`, 0 to 1, for a ratio.
    /// - Default: `parentbased_always_on`; a ratio of 1.
    public var sampler = TraceSampler.parentBasedAlwaysOn
    /// Which other traces are exported when they end in an error.
    ///
    /// - Key: `OTEL_KEEP_ERRORS` (of this server, not of OpenTelemetry): `own`, `always`, `never`.
    /// - Default: `own`.
    public var keepErrors = KeepErrors.own
    /// Which headers carry traces from service to service.
    ///
    /// - Key: `OTEL_PROPAGATORS`: `tracecontext`, `baggage`, `none`.
    /// - Default: `tracecontext,baggage`.
    public var propagation = W3CPropagation()

    /// How spans gather.
    ///
    /// - Key: `OTEL_BSP_SCHEDULE_DELAY` (5000), `OTEL_BSP_MAX_QUEUE_SIZE` (2048), `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`
    ///   (512), `OTEL_BSP_EXPORT_TIMEOUT` (30000).
    public var spanBatching = OTLPBatching(delay: .seconds(5))
    /// How log records gather.
    ///
    /// - Key: `OTEL_BLRP_SCHEDULE_DELAY` (1000), `OTEL_BLRP_MAX_QUEUE_SIZE` (2048), `OTEL_BLRP_MAX_EXPORT_BATCH_SIZE`
    ///   (512), `OTEL_BLRP_EXPORT_TIMEOUT` (30000).
    public var logBatching = OTLPBatching(delay: .seconds(1))
    /// How often metrics are reported.
    ///
    /// - Key: `OTEL_METRIC_EXPORT_INTERVAL`.
    /// - Default: 60000.
    public var metricInterval = Duration.seconds(60)
    /// How long it is tried to send a report.
    ///
    /// - Key: `OTEL_METRIC_EXPORT_TIMEOUT`.
    /// - Default: 30000.
    public var metricTimeout = Duration.seconds(30)
    /// What numbers of metrics count.
    ///
    /// - Key: `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`: `cumulative`, `delta`, `lowmemory`.
    /// - Default: `cumulative`.
    public var temporality = OTLPTemporalityPreference.cumulative

    /// Variables named `OTEL_…` that are set, to something that is not empty, and have no effect, in the order of their names.
    ///
    /// - Those that are none of the variables above.
    /// - Those of signals of which none leaves, because it has no endpoint, must not leave (`OTEL_…_EXPORTER=none`) or is
    ///   not among the signals that there are. That is all there is to say of a signal but `OTEL_…_EXPORTER=none` itself;
    ///   for all signals together, it is what they have in common, and the propagators. Headers without an endpoint are
    ///   such.
    /// - Those in common that each signal that leaves has one of its own for.
    /// - `OTEL_TRACES_SAMPLER_ARG` where the sampler knows no ratio.
    ///
    /// None with `OTEL_SDK_DISABLED=true`.
    public private(set) var unusedVariables: [String] = []

    /// Settings with which nothing is exported.
    public init() {}

    /// Reads all variables; anything absent keeps its default.
    ///
    /// With `OTEL_SDK_DISABLED=true` only the propagators and what names this process are looked at.
    ///
    /// - Parameters:
    ///   - environment: the variables.
    ///   - signals: those that there are; another one does not leave, whatever the variables say.
    /// - Throws: all mistakes together.
    public init(
        environment: [String: String], signals: Set<OTLPSignal> = Set(OTLPSignal.allCases)
    ) throws(OTLPConfigurationError) {
        var reader = OTLPEnvironment(environment)
        self.propagation = reader.reading(Set(OTLPSignal.allCases)) { $0.propagation() }
        self.readNames(&reader)
        if !reader.flag("OTEL_SDK_DISABLED") {
            self.traces = reader.endpoint(.traces)
            self.metrics = reader.endpoint(.metrics)
            self.logs = reader.endpoint(.logs)
            if !signals.contains(.traces) { self.traces = nil }
            if !signals.contains(.metrics) { self.metrics = nil }
            if !signals.contains(.logs) { self.logs = nil }
            reader.reading([.traces]) { self.readTraces(&$0) }
            reader.reading([.metrics]) { self.readMetrics(&$0) }
            self.logBatching = reader.reading([.logs]) { $0.batching("OTEL_BLRP", delay: 1000) }
            self.unusedVariables = reader.unused(
                leaving: Set(OTLPSignal.allCases.filter { self.endpoint(of: $0) != nil }))
        }
        guard reader.mistakes.isEmpty else { throw OTLPConfigurationError(mistakes: reader.mistakes) }
    }

    /// Whose process this is: for the log, too, so it holds although nothing leaves.
    private mutating func readNames(_ reader: inout OTLPEnvironment) {
        let attributes = reader.attributes("OTEL_RESOURCE_ATTRIBUTES").filter { !$0.value.isEmpty }
        self.serviceName = reader.text("OTEL_SERVICE_NAME")
        for (key, value) in attributes {
            if key == "service.name" {
                self.serviceName = self.serviceName ?? value
            } else {
                self.resourceAttributes.append(OTLPAttribute(key, .string(value)))
            }
        }
    }

    private mutating func readTraces(_ reader: inout OTLPEnvironment) {
        self.sampler = reader.sampler()
        self.keepErrors = reader.choice("OTEL_KEEP_ERRORS", default: .own, among: [.own, .always, .never])
        self.spanBatching = reader.batching("OTEL_BSP", delay: 5000)
    }

    private mutating func readMetrics(_ reader: inout OTLPEnvironment) {
        self.metricInterval = reader.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", default: 60_000)
        self.metricTimeout = reader.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", default: 30_000)
        self.temporality = reader.choice(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", default: .cumulative,
            among: [.cumulative, .delta, .lowMemory])
    }

    /// Whether anything is exported.
    public var isEnabled: Bool { self.traces != nil || self.metrics != nil || self.logs != nil }

    /// Where a signal goes; nil if it goes nowhere.
    public func endpoint(of signal: OTLPSignal) -> OTLPEndpoint? {
        switch signal {
        case .traces: self.traces
        case .metrics: self.metrics
        case .logs: self.logs
        }
    }

    /// What the variables say about this process under a name such as `service.instance.id`; nil if they say nothing.
    public func resourceValue(_ key: String) -> String? {
        guard case .string(let value)? = self.resource([]).first(where: { $0.key == key })?.value else { return nil }
        return value
    }

    /// What all signals say about this process: the variables, and of `defaults` what these do not say.
    public func resource(_ defaults: [OTLPAttribute]) -> [OTLPAttribute] {
        var attributes = self.resourceAttributes
        if let serviceName { attributes.append(OTLPAttribute("service.name", .string(serviceName))) }
        let named = Set(attributes.map(\.key))
        return attributes + defaults.filter { !named.contains($0.key) }
    }
}
