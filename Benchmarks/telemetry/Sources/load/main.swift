// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedTelemetry
import Tracing

// telemetry-load [metrics|logs|traces]...: does each thing, or those of the parts that are named, many times, and prints a line for each: its name, nanoseconds for one time, and how often one time
// asks for memory if the counter of allocations.c is loaded, else -1.

/// Asks the counter of allocations.c, if it is loaded.
let allocations: @convention(c) () -> UInt = {
    guard let symbol = dlsym(UnsafeMutableRawPointer(bitPattern: 0), "med_allocations") else { return { .max } }
    return unsafeBitCast(symbol, to: (@convention(c) () -> UInt).self)
    // It is `unsigned long med_allocations(void)` of allocations.c.
}()

/// The results are what standard output is for; what the loggers of the peers write goes nowhere.
let results = dup(1)
let nowhere = open("/dev/null", O_WRONLY)
dup2(nowhere, 1)

func isWanted(_ part: String) -> Bool { CommandLine.arguments.count == 1 || CommandLine.arguments.contains(part) }

func tell(_ name: String, nanoseconds: Double, allocations: Double) {
    let line = "\(name) \(nanoseconds) \(allocations)\n"
    _ = line.utf8CString.withUnsafeBufferPointer { write(results, $0.baseAddress, $0.count - 1) }
}

func time(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// The median of seven rounds of `count` times each; `settle` is not measured.
func measure(
    _ name: String, _ count: Int, clock: clockid_t = CLOCK_MONOTONIC, settle: () -> Void = {}, _ body: () -> Void
) {
    var rounds: [Double] = []
    rounds.reserveCapacity(7)
    for _ in 0..<count { body() }
    settle()
    let before = allocations()
    for _ in 0..<7 {
        let start = time(clock)
        for _ in 0..<count { body() }
        rounds.append((time(clock) - start) / Double(count))
        settle()
    }
    let asked = allocations()
    tell(
        name, nanoseconds: rounds.sorted()[3],
        allocations: asked == .max ? -1 : Double(asked - before) / Double(7 * count))
}

// What is measured is in functions: a variable of the whole program is locked at every access.

// MARK: Metrics

func measureMetrics() throws {
    let registry = MetricRegistry()
    let requests = try registry.counter("requests", help: "Requests.", labels: ["method", "route", "status"])
    let counter = requests.with("GET", "/patients/{id}", "200")
    measure("counter", 5_000_000) { counter.increment() }

    let histogram = try registry.histogram("request_seconds", help: "How long.", buckets: .seconds).with()
    var number = 0
    measure("histogram", 5_000_000) {
        number &+= 7_919
        histogram.observe(nanoseconds: Int64(number & 0x3FFF_FFFF))
    }
    let native = try registry.histogram("native_seconds", help: "How long.", buckets: .seconds.withNative).with()
    measure("histogram-native", 5_000_000) {
        number &+= 7_919
        native.observe(nanoseconds: Int64(number & 0x3FFF_FFFF))
    }

    // Processor time of four threads that count with one counter, for one time of one of them.
    func contend() {
        let count = 5_000_000
        let group = DispatchGroup()
        let start = time(CLOCK_PROCESS_CPUTIME_ID)
        for _ in 0..<4 {
            group.enter()
            Thread.detachNewThread { [counter] in
                for _ in 0..<count { counter.increment() }
                group.leave()
            }
        }
        group.wait()
        tell(
            "counter-4-threads", nanoseconds: (time(CLOCK_PROCESS_CPUTIME_ID) - start) / Double(4 * count),
            allocations: -1)
    }
    contend()

    let large = MetricRegistry(seriesLimit: .max)
    let family = try large.counter("http_requests", help: "Requests.", labels: ["method", "route", "status"])
    for number in 0..<10_000 { family.with("GET", "/resources/\(number)/{id}", "200").increment(by: Double(number)) }
    var page: [UInt8] = []
    for (name, format) in [("text", MetricFormat.text), ("openmetrics", .openMetrics), ("protobuf", .protobuf)] {
        measure("page-\(name)", 20) {
            page.removeAll(keepingCapacity: true)
            large.render(format, into: &page)
        }
    }
}
if isWanted("metrics") { try measureMetrics() }

// MARK: Logs

func fields(_ number: Int) -> Logger.Metadata {
    [
        "http.request.method": "GET", "http.route": "/patients/{id}", "http.response.status_code": "200",
        "http.request.id": "0af7651916cd43dd8448eb211c80319c", "trace.id": "0af7651916cd43dd8448eb211c80319c",
        "span.id": "b7ad6b7169203331", "event.duration": "\(number)", "url.scheme": "https", "user.role": "nurse",
        "http.response.body.bytes": "2417",
    ]
}

func measureLogs() {
    let writer = LogWriter(fileDescriptor: nowhere)
    let service = LogService(name: "medbuilder", version: "1.0.0", environment: "production")
    let lines = fields(1234)
    let logger = Logger(label: "bench") { label in
        StructuredLogHandler(label: label, writer: writer, format: .json, service: service, metadataProvider: nil)
    }
    measure("log-disabled", 50_000_000) { logger.debug("Request answered", metadata: lines) }
    // So few that all of them find room: a line that is dropped costs less.
    measure("log-line", 4_000, settle: { writer.flush(timeout: .seconds(10)) }) {
        logger.info("Request answered", metadata: lines)
    }
    precondition(writer.droppedLineCount == 0, "Lines were dropped: what was measured is no line.")
    let stream = Logger(label: "bench") { StreamLogHandler.standardOutput(label: $0) }
    measure("log-line-stream", 2_000) { stream.info("Request answered", metadata: lines) }
}

/// The same fields by a `PreparedLogger`. A function of its own: beside the others, the compiler makes the disabled call slower.
func measurePreparedLog() {
    let writer = LogWriter(fileDescriptor: nowhere)
    let service = LogService(name: "medbuilder", version: "1.0.0", environment: "production")
    let logger = Logger(label: "bench") { label in
        StructuredLogHandler(label: label, writer: writer, format: .json, service: service, metadataProvider: nil)
    }
    let prepared = PreparedLogger(logger, "Request answered", dataset: "medbuilder.access")
    measure("log-line-prepared", 4_000, settle: { writer.flush(timeout: .seconds(10)) }) {
        prepared.log(level: .info) { fields in
            fields.add("event.duration", 1234)
            fields.add("http.request.id", "0af7651916cd43dd8448eb211c80319c")
            fields.add("http.request.method", "GET")
            fields.add("http.response.body.bytes", 2417)
            fields.add("http.response.status_code", 200)
            fields.add("http.route", "/patients/{id}")
            fields.add("span.id", "b7ad6b7169203331")
            fields.add("trace.id", "0af7651916cd43dd8448eb211c80319c")
            fields.add("url.scheme", "https")
            fields.add("user.role", "nurse")
        }
    }
    precondition(writer.droppedLineCount == 0, "Lines were dropped: what was measured is no line.")
}

/// The same with swift-log's own handlers: what of a disabled call is swift-log itself.
func measureDisabledPeers() {
    let lines = fields(1234)
    let stream = Logger(label: "bench") { StreamLogHandler.standardOutput(label: $0) }
    measure("log-disabled-stream", 50_000_000) { stream.debug("Request answered", metadata: lines) }
}

if isWanted("logs") {
    measureLogs()
    measureDisabledPeers()
    measurePreparedLog()
}

// MARK: Traces

func measureTraces() {
    let tracer = RecordingTracer(sampler: TraceSampler(ratio: 0), redact: { $0 }, sink: { _ in })
    measure("span-not-sampled", 500_000) { tracer.startSpan("GET /patients/{id}", ofKind: .server).end() }
}
if isWanted("traces") { measureTraces() }
