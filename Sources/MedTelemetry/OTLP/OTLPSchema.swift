// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Tracing

/// The messages of the protocol, with their fields by number and name (opentelemetry-proto 1: `common/v1/common.proto`,
/// `resource/v1/resource.proto`, `trace/v1/trace.proto`, `metrics/v1/metrics.proto`, `logs/v1/logs.proto` and
/// `collector/*/v1/*_service.proto`). Numbers keep their meaning for ever.
enum OTLPSchema {
    // MARK: common, resource

    /// A value of an attribute, whose texts are cut: the last place that all of them pass.
    static let anyValue: OTLPMessage<OTLPValue> = OTLPSchema.value { SpanLimits.cut($0) }

    /// The body of a log record, which may be longer.
    static let body: OTLPMessage<OTLPValue> = OTLPSchema.value { $0 }

    private static func value(_ cut: @escaping @Sendable (String) -> String) -> OTLPMessage<OTLPValue> {
        OTLPMessage(
            .present(1, "stringValue") { if case .string(let text) = $0 { .text(cut(text)) } else { nil } },
            .present(2, "boolValue") { if case .bool(let value) = $0 { .bool(value) } else { nil } },
            .present(3, "intValue") { if case .int(let number) = $0 { .int64(number) } else { nil } },
            .present(4, "doubleValue") { if case .double(let number) = $0 { .double(number) } else { nil } },
            .message(5, "arrayValue", { OTLPSchema.arrayValue }) {
                if case .array(let values) = $0 { values } else { nil }
            },
            .message(6, "kvlistValue", { OTLPSchema.keyValueList }) {
                if case .map(let pairs) = $0 { pairs } else { nil }
            },
            .present(7, "bytesValue") { if case .bytes(let bytes) = $0 { .bytes(bytes) } else { nil } })
    }

    static let arrayValue: OTLPMessage<[OTLPValue]> = OTLPMessage(
        .messages(1, "values", { OTLPSchema.anyValue }) { $0 })

    static let keyValueList: OTLPMessage<[OTLPAttribute]> = OTLPMessage(
        .messages(1, "values", { OTLPSchema.keyValue }) { $0 })

    static let keyValue: OTLPMessage<OTLPAttribute> = OTLPMessage(
        .value(1, "key") { .text($0.key) },
        .message(2, "value", { OTLPSchema.anyValue }) { $0.value })

    static let scope: OTLPMessage<OTLPScope> = OTLPMessage(
        .value(1, "name") { .text($0.name) },
        .value(2, "version") { .text($0.version) })

    static let resource: OTLPMessage<[OTLPAttribute]> = OTLPMessage(
        .messages(1, "attributes", { OTLPSchema.keyValue }) { $0 })

    // MARK: trace

    static let traces: OTLPMessage<OTLPRequest<FinishedSpan>> = OTLPMessage(
        .messages(1, "resourceSpans", { OTLPSchema.resourceSpans }) { [$0] })

    static let resourceSpans: OTLPMessage<OTLPRequest<FinishedSpan>> = OTLPMessage(
        .message(1, "resource", { OTLPSchema.resource }) { $0.resource },
        .messages(2, "scopeSpans", { OTLPSchema.scopeSpans }) { [$0] })

    static let scopeSpans: OTLPMessage<OTLPRequest<FinishedSpan>> = OTLPMessage(
        .message(1, "scope", { OTLPSchema.scope }) { $0.scope },
        .messages(2, "spans", { OTLPSchema.span }) { $0.items })

    static let span: OTLPMessage<FinishedSpan> = OTLPMessage(
        .value(1, "traceId") { .identifier($0.context.traceID.bytes) },
        .value(2, "spanId") { .identifier($0.context.spanID.bytes) },
        .value(3, "traceState") { .text($0.context.exportedTraceState) },
        .value(4, "parentSpanId") { .identifier($0.parentSpanID?.bytes ?? []) },
        .value(5, "name") { .text($0.name) },
        .value(6, "kind") { .enumeration(OTLPSchema.kind($0.kind)) },
        .value(7, "startTimeUnixNano") { .fixed64($0.start) },
        .value(8, "endTimeUnixNano") { .fixed64($0.end) },
        .messages(9, "attributes", { OTLPSchema.keyValue }) { $0.attributes },
        .value(10, "droppedAttributesCount") { .uint32(UInt32(clamping: $0.droppedAttributeCount)) },
        .messages(11, "events", { OTLPSchema.event }) { $0.events },
        .value(12, "droppedEventsCount") { .uint32(UInt32(clamping: $0.droppedEventCount)) },
        .messages(13, "links", { OTLPSchema.link }) { $0.links },
        .value(14, "droppedLinksCount") { .uint32(UInt32(clamping: $0.droppedLinkCount)) },
        .message(15, "status", { OTLPSchema.status }) { $0.status == .unset ? nil : $0.status },
        .value(16, "flags") { .fixed32(OTLPSchema.flags($0.context.flags, isRemote: $0.hasRemoteParent)) })

    static let event: OTLPMessage<FinishedSpan.Event> = OTLPMessage(
        .value(1, "timeUnixNano") { .fixed64($0.time) },
        .value(2, "name") { .text($0.name) },
        .messages(3, "attributes", { OTLPSchema.keyValue }) { $0.attributes },
        .value(4, "droppedAttributesCount") { .uint32(UInt32(clamping: $0.droppedAttributeCount)) })

    static let link: OTLPMessage<FinishedSpan.Link> = OTLPMessage(
        .value(1, "traceId") { .identifier($0.context.traceID.bytes) },
        .value(2, "spanId") { .identifier($0.context.spanID.bytes) },
        .value(3, "traceState") { .text($0.context.exportedTraceState) },
        .messages(4, "attributes", { OTLPSchema.keyValue }) { $0.attributes },
        .value(5, "droppedAttributesCount") { .uint32(UInt32(clamping: $0.droppedAttributeCount)) },
        .value(6, "flags") { .fixed32(OTLPSchema.flags($0.context.flags, isRemote: $0.context.isRemote)) })

    static let status: OTLPMessage<FinishedSpan.Status> = OTLPMessage(
        .value(2, "message") { if case .error(let message) = $0 { .text(message) } else { .text("") } },
        .value(3, "code") {
            switch $0 {
            case .unset: .enumeration(0)
            case .ok: .enumeration(1)
            case .error: .enumeration(2)
            }
        })

    private static func kind(_ kind: SpanKind) -> Int32 {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }

    /// The flags of the trace, and two bits: that it is known whether the parent (of a link: the other span) is remote,
    /// and whether it is.
    private static func flags(_ flags: TraceFlags, isRemote: Bool) -> UInt32 {
        UInt32(flags.rawValue) | 0x100 | (isRemote ? 0x200 : 0)
    }

    // MARK: logs

    static let logs: OTLPMessage<OTLPRequest<OTLPLogRecord>> = OTLPMessage(
        .messages(1, "resourceLogs", { OTLPSchema.resourceLogs }) { [$0] })

    static let resourceLogs: OTLPMessage<OTLPRequest<OTLPLogRecord>> = OTLPMessage(
        .message(1, "resource", { OTLPSchema.resource }) { $0.resource },
        .messages(2, "scopeLogs", { OTLPSchema.scopeLogs }) { [$0] })

    static let scopeLogs: OTLPMessage<OTLPRequest<OTLPLogRecord>> = OTLPMessage(
        .message(1, "scope", { OTLPSchema.scope }) { $0.scope },
        .messages(2, "logRecords", { OTLPSchema.logRecord }) { $0.items })

    static let logRecord: OTLPMessage<OTLPLogRecord> = OTLPMessage(
        .value(1, "timeUnixNano") { .fixed64($0.time) },
        .value(2, "severityNumber") { .enumeration($0.severity) },
        .value(3, "severityText") { .text($0.severityText) },
        .message(5, "body", { OTLPSchema.body }) { $0.body },
        .messages(6, "attributes", { OTLPSchema.keyValue }) { Array($0.attributes.prefix(SpanLimits.attributes)) },
        .value(7, "droppedAttributesCount") {
            .uint32(UInt32(clamping: max(0, $0.attributes.count - SpanLimits.attributes)))
        },
        .value(8, "flags") { .fixed32(UInt32($0.trace?.flags.rawValue ?? 0)) },
        .value(9, "traceId") { .identifier($0.trace?.traceID.bytes ?? []) },
        .value(10, "spanId") { .identifier($0.trace?.spanID.bytes ?? []) },
        .value(11, "observedTimeUnixNano") { .fixed64($0.time) })

    // MARK: metrics

    static let metrics: OTLPMessage<OTLPRequest<OTLPMetric>> = OTLPMessage(
        .messages(1, "resourceMetrics", { OTLPSchema.resourceMetrics }) { [$0] })

    static let resourceMetrics: OTLPMessage<OTLPRequest<OTLPMetric>> = OTLPMessage(
        .message(1, "resource", { OTLPSchema.resource }) { $0.resource },
        .messages(2, "scopeMetrics", { OTLPSchema.scopeMetrics }) { [$0] })

    static let scopeMetrics: OTLPMessage<OTLPRequest<OTLPMetric>> = OTLPMessage(
        .message(1, "scope", { OTLPSchema.scope }) { $0.scope },
        .messages(2, "metrics", { OTLPSchema.metric }) { $0.items })

    static let metric: OTLPMessage<OTLPMetric> = OTLPMessage(
        .value(1, "name") { .text($0.name) },
        .value(2, "description") { .text($0.description) },
        .value(3, "unit") { .text($0.unit) },
        .message(5, "gauge", { OTLPSchema.gauge }) { if case .gauge = $0.data { $0.data } else { nil } },
        .message(7, "sum", { OTLPSchema.sum }) { if case .sum = $0.data { $0.data } else { nil } },
        .message(9, "histogram", { OTLPSchema.histogram }) { if case .histogram = $0.data { $0.data } else { nil } },
        .message(10, "exponentialHistogram", { OTLPSchema.exponentialHistogram }) {
            if case .exponentialHistogram = $0.data { $0.data } else { nil }
        })

    static let gauge: OTLPMessage<OTLPMetric.Data> = OTLPMessage(
        .messages(1, "dataPoints", { OTLPSchema.numberPoint }) {
            if case .gauge(let points) = $0 { points } else { [] }
        }
    )

    static let sum: OTLPMessage<OTLPMetric.Data> = OTLPMessage(
        .messages(1, "dataPoints", { OTLPSchema.numberPoint }) {
            if case .sum(let points, _, _) = $0 { points } else { [] }
        },
        .value(2, "aggregationTemporality") { .enumeration($0.temporality?.rawValue ?? 0) },
        .value(3, "isMonotonic") {
            if case .sum(_, let isMonotonic, _) = $0 { .bool(isMonotonic) } else { .bool(false) }
        })

    static let histogram: OTLPMessage<OTLPMetric.Data> = OTLPMessage(
        .messages(1, "dataPoints", { OTLPSchema.histogramPoint }) {
            if case .histogram(let points, _) = $0 { points } else { [] }
        },
        .value(2, "aggregationTemporality") { .enumeration($0.temporality?.rawValue ?? 0) })

    static let exponentialHistogram: OTLPMessage<OTLPMetric.Data> = OTLPMessage(
        .messages(1, "dataPoints", { OTLPSchema.exponentialHistogramPoint }) {
            if case .exponentialHistogram(let points, _) = $0 { points } else { [] }
        },
        .value(2, "aggregationTemporality") { .enumeration($0.temporality?.rawValue ?? 0) })

    static let numberPoint: OTLPMessage<OTLPNumberPoint> = OTLPMessage(
        .value(2, "startTimeUnixNano") { .fixed64($0.start) },
        .value(3, "timeUnixNano") { .fixed64($0.time) },
        .present(4, "asDouble") { if case .double(let number) = $0.value { .double(number) } else { nil } },
        .messages(5, "exemplars", { OTLPSchema.exemplar }) { $0.exemplars },
        .present(6, "asInt") { if case .int(let number) = $0.value { .sfixed64(number) } else { nil } },
        .messages(7, "attributes", { OTLPSchema.keyValue }) { $0.attributes })

    static let exemplar: OTLPMessage<OTLPExemplar> = OTLPMessage(
        .value(2, "timeUnixNano") { .fixed64($0.time) },
        .present(3, "asDouble") { if case .double(let number) = $0.value { .double(number) } else { nil } },
        .value(4, "spanId") { .identifier($0.spanID?.bytes ?? []) },
        .value(5, "traceId") { .identifier($0.traceID?.bytes ?? []) },
        .present(6, "asInt") { if case .int(let number) = $0.value { .sfixed64(number) } else { nil } },
        .messages(7, "filteredAttributes", { OTLPSchema.keyValue }) { $0.attributes })

    static let histogramPoint: OTLPMessage<OTLPHistogramPoint> = OTLPMessage(
        .value(2, "startTimeUnixNano") { .fixed64($0.start) },
        .value(3, "timeUnixNano") { .fixed64($0.time) },
        .value(4, "count") { .fixed64($0.count) },
        .present(5, "sum") { $0.sum.map { .double($0) } },
        .value(6, "bucketCounts") { .packedFixed64($0.bucketCounts) },
        .value(7, "explicitBounds") { .packedDouble($0.bounds) },
        .messages(8, "exemplars", { OTLPSchema.exemplar }) { $0.exemplars },
        .messages(9, "attributes", { OTLPSchema.keyValue }) { $0.attributes },
        .present(11, "min") { $0.minimum.map { .double($0) } },
        .present(12, "max") { $0.maximum.map { .double($0) } })

    static let exponentialHistogramPoint: OTLPMessage<OTLPExponentialHistogramPoint> = OTLPMessage(
        .messages(1, "attributes", { OTLPSchema.keyValue }) { $0.attributes },
        .value(2, "startTimeUnixNano") { .fixed64($0.start) },
        .value(3, "timeUnixNano") { .fixed64($0.time) },
        .value(4, "count") { .fixed64($0.count) },
        .present(5, "sum") { $0.sum.map { .double($0) } },
        .value(6, "scale") { .sint32($0.scale) },
        .value(7, "zeroCount") { .fixed64($0.zeroCount) },
        .message(8, "positive", { OTLPSchema.buckets }) { $0.positive },
        .message(9, "negative", { OTLPSchema.buckets }) { $0.negative },
        .messages(11, "exemplars", { OTLPSchema.exemplar }) { $0.exemplars },
        .present(12, "min") { $0.minimum.map { .double($0) } },
        .present(13, "max") { $0.maximum.map { .double($0) } },
        .value(14, "zeroThreshold") { .double($0.zeroThreshold) })

    static let buckets: OTLPMessage<OTLPExponentialHistogramPoint.Buckets> = OTLPMessage(
        .value(1, "offset") { .sint32($0.offset) },
        .value(2, "bucketCounts") { .packedUInt64($0.counts) })
}

extension OTLPMetric.Data {
    /// What the numbers count; `nil` for a gauge.
    var temporality: OTLPTemporality? {
        switch self {
        case .gauge: nil
        case .sum(_, _, let temporality), .histogram(_, let temporality), .exponentialHistogram(_, let temporality):
            temporality
        }
    }
}
