// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedRuntime
import MedServer
import MedTelemetry
import Synchronization

/// What leaves for a collector by OTLP, if an endpoint is set.
final class Exporting: Sendable {
    /// How long the end of the process waits for the collector; what it does not take in time waits in the spool.
    private static let patience = Duration.seconds(2)

    /// Who traces.
    let tracer: RecordingTracer
    /// Who hears of records of the log; nil if none leave.
    let logSink: (@Sendable (LogRecordView) -> Void)?
    private let exporter: OTLPExporter
    private let source: Source
    private let watch = Mutex<Task<Void, Never>?>(nil)

    /// The metrics come later than the exporter, which the log needs at once.
    private final class Source: Sendable {
        let telemetry = Mutex<ServerTelemetry?>(nil)
    }

    /// Reads `OTEL_…`. Mistakes end the command with 78.
    ///
    /// - Parameter hasMetrics: whether there are any.
    static func configuration(environment: [String: String], hasMetrics: Bool) throws -> OTLPConfiguration {
        do throws(OTLPConfigurationError) {
            return try OTLPConfiguration(
                environment: environment, signals: hasMetrics ? [.traces, .metrics, .logs] : [.traces, .logs])
        } catch {
            throw Complaint.exit(error.description, code: ExitCode.configuration)
        }
    }

    /// Nil if nothing is to leave.
    init?(_ configuration: OTLPConfiguration, spoolFolder: String, service: LogService) {
        guard configuration.isEnabled else { return nil }
        var described = [
            OTLPAttribute("service.name", .string(service.name)),
            OTLPAttribute("service.version", .string(service.version)),
            OTLPAttribute("deployment.environment.name", .string(service.environment)),
        ]
        if let instance = service.instanceID {
            described.append(OTLPAttribute("service.instance.id", .string(instance)))
        }
        let resource = configuration.resource(described)
        let source = Source()
        let exporter = OTLPExporter(
            configuration, resource: resource, scope: OTLPScope(name: "medbuilder", version: Version.current),
            spool: OTLPSpool(folder: spoolFolder)
        ) {
            let telemetry = source.telemetry.withLock { $0 }
            return telemetry?.otlpMetrics() ?? []
        }
        self.source = source
        self.exporter = exporter
        let takeSpan: SpanSink = { exporter.record($0) }
        let takeRecord: @Sendable (LogRecordView) -> Void = { exporter.record(OTLPLogRecord($0)) }
        self.tracer = RecordingTracer(
            sampler: configuration.sampler,
            keepErrors: configuration.keepErrors,
            propagation: configuration.propagation,
            redact: { Scrubber.scrub($0) },
            sink: configuration.traces == nil ? nil : takeSpan
        )
        self.logSink = configuration.logs == nil ? nil : takeRecord
    }

    /// Begins to send, and to tell the log if that fails.
    func start(_ telemetry: ServerTelemetry?, logger: Logger) {
        self.source.telemetry.withLock { $0 = telemetry }
        telemetry?.watchExporter(self.exporter)
        self.exporter.start()
        let watch = Task { [exporter] in await exporter.watch(logger) }
        self.watch.withLock { $0 = watch }
    }

    /// Sends what is left, and tells the log what is lost with the end.
    func finish() async {
        await self.exporter.shutdown(within: Self.patience)
        let watch = self.watch.withLock { $0 }
        watch?.cancel()
        await watch?.value
    }
}
