// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Synchronization
import Testing

@testable import MedTelemetry

/// What a record is on its way through the handler: scrubbed, the same by the fast way and the slow one, and handed on.
@Suite struct LogSinkTests {
    private static let service = LogService(name: "med", version: "1", environment: "test")

    private final class Records: Sendable {
        private let records = Mutex<[LogRecordView]>([])
        var all: [LogRecordView] { self.records.withLock { $0 } }
        func add(_ record: LogRecordView) { self.records.withLock { $0.append(record) } }
    }

    private struct PatientError: Error {}

    /// A value that logs while it is described.
    private struct Talkative: CustomStringConvertible, Sendable {
        let logger: Logger
        var description: String {
            self.logger.info("From a description", metadata: ["inner": "1"])
            return "described"
        }
    }

    private func logger(
        _ writer: LogWriter,
        format: LogFormat = .json,
        provider: Logger.MetadataProvider? = nil,
        sink: (@Sendable (LogRecordView) -> Void)? = nil
    ) -> Logger {
        Logger(label: "test") {
            StructuredLogHandler(
                label: $0, writer: writer, format: format, service: Self.service, metadataProvider: provider,
                now: { 1_761_543_240_123 }, sink: sink)
        }
    }

    // MARK: The second net

    @Test(arguments: LogFormat.allCases)
    func `messages and values are scrubbed, keys and the fields of the service are not`(format: LogFormat) async throws
    {
        let lines = try await writtenLines { writer in
            let logger = self.logger(writer, format: format)
            logger.error(
                "login of ada@example.org failed",
                metadata: [
                    "url": "postgres://med:hunter2@db/med", "nested": ["a": ["ssn 123-45-6789"]],
                    "convertible": .stringConvertible("token=abcdef"), "key@example.org": "kept",
                ])
        }
        let line = try #require(lines.first)
        for secret in ["ada@", "hunter2", "123-45", "abcdef"] { #expect(!line.contains(secret)) }
        for mark in ["‹email›", "‹password›", "‹ssn›", "‹token›", "key@example.org"] { #expect(line.contains(mark)) }
    }

    @Test func `a secret that the cut would split is taken out before`() async throws {
        let message = String(repeating: "x", count: 16_384 - 16) + " password=hunter2hunter2hunter2"
        let lines = try await writtenLines { self.logger($0).info("\(message)") }
        #expect(lines.first?.contains("hunter") == false)
        let tail = String(repeating: "x", count: 16_384 - 4) + " ada.lovelace@example.org"
        let cut = try await writtenLines { self.logger($0).info("\(tail)") }
        #expect(cut.first?.contains("ada") == false)
    }

    // MARK: Fields

    @Test func `trace, span and request ids of the context are fields of their own`() async throws {
        let lines = try await writtenLines { writer in
            let provider = Logger.MetadataProvider {
                [
                    "trace.id": "4bf92f3577b34da6a3ce929d0e0e4736", "span.id": "00f067aa0ba902b7",
                    "http.request.id": "7b1c3f0e-9a2d-4c55-8c1e-6f3a2b1c0d9e",
                ]
            }
            self.logger(writer, provider: provider).info("Message")
        }
        let fields = try fields(#require(lines.first))
        #expect(fields["trace.id"] as? String == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(fields["span.id"] as? String == "00f067aa0ba902b7")
        #expect(fields["http.request.id"] as? String == "7b1c3f0e-9a2d-4c55-8c1e-6f3a2b1c0d9e")
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `the fast way writes the same line as the slow one`(seed: UInt64) async throws {
        var random = SplitMix(state: seed)
        let keys = [
            "a", "b", "http.request.id", "http.request.method", "http.response.status_code", "http.response.body.bytes",
            "", "é", "key \"x\"", "k\n", "sixteen bytes is", "sixteen bytes is more", "trace.id", "event.dataset",
            "message", "error.type", "labels.message", "service.name", "\u{2028}", "日本語のキー",
        ]
        let texts = [
            "", "1", "200", "text", "seven77", "eight888", "nine99999", "\"", "a\"b", "back\\slash", "tab\t", "é",
            "日本語テキスト",
            "\u{2028}\u{85}\u{7F}", "ada@example.org", String(repeating: "x", count: 5000), "👩‍👩‍👧 family", "a\u{0}b",
            "1234567é", "12345678\n",
        ]
        func text() -> String { texts[Int(random.next() % UInt64(texts.count))] }
        func metadata() -> Logger.Metadata {
            var metadata: Logger.Metadata = [:]
            for _ in 0..<Int(random.next() % 14) {
                let value: Logger.MetadataValue =
                    switch random.next() % 4 {
                    case 0: .stringConvertible(text())
                    case 1: ["z": .string(text()), "a": [.string(text())]]
                    default: .string(text())
                    }
                metadata[keys[Int(random.next() % UInt64(keys.count))]] = value
            }
            return metadata
        }
        let records = (0..<300).map { _ in (text(), metadata(), metadata(), metadata(), random.next() % 4 == 0) }
        let lines = try await writtenLines { writer in
            for (message, call, context, own, hasError) in records {
                var logger = self.logger(writer, provider: Logger.MetadataProvider { context })
                for (key, value) in own { logger[metadataKey: key] = value }
                logger.log(level: .info, "\(message)", error: hasError ? PatientError() : nil, metadata: call)
            }
        }
        let layout = LogLayout(format: .json, label: "test", service: Self.service, colored: false)
        for (line, (message, call, context, own, hasError)) in zip(lines, records) {
            let merged = own.merging(context) { $1 }.merging(call) { $1 }
            let record = LogRecord(
                time: 1_761_543_240_123, level: .info, message: message,
                errorType: hasError ? "MedTelemetryTests.LogSinkTests.PatientError" : nil,
                metadata: merged.map { ($0.key, $0.value) })
            try #require(line == String(decoding: layout.line(for: record), as: UTF8.self))
        }
        #expect(lines.count == 300)
    }

    @Test func `a description or a provider that logs breaks no line`() async throws {
        let lines = try await writtenLines { writer in
            let inner = self.logger(writer)
            let provider = Logger.MetadataProvider {
                inner.info("From a provider")
                return ["context": "1"]
            }
            self.logger(writer, provider: provider)
                .info("Outer", metadata: ["a": "1", "b": .stringConvertible(Talkative(logger: inner)), "c": "2"])
        }
        let all = try lines.map { try fields($0) }
        #expect(all.compactMap { $0["message"] as? String } == ["From a provider", "From a description", "Outer"])
        #expect(all.last?["b"] as? String == "described")
        #expect(all.last?["c"] as? String == "2")
    }

    // MARK: The sink

    @Test func `a sink gets what is in the line: scrubbed, merged, cut, and only what is enabled`() async throws {
        let records = Records()
        let lines = try await writtenLines { writer in
            var logger = self.logger(writer, provider: Logger.MetadataProvider { ["b": "context"] }, sink: records.add)
            logger[metadataKey: "a"] = "logger"
            logger[metadataKey: "b"] = "logger"
            logger.debug("Not enabled")
            logger.error(
                "mail ada@example.org", error: PatientError(),
                metadata: ["c": ["d": "pwd=x"], "e": .string(String(repeating: "x", count: 5000))])
        }
        #expect(lines.count == 1)
        let record = try #require(records.all.first)
        #expect(records.all.count == 1)
        #expect(record.unixMilliseconds == 1_761_543_240_123)
        #expect(record.level == .error)
        #expect(record.label == "test")
        #expect(record.message == "mail ‹email›")
        #expect(record.errorType == "MedTelemetryTests.LogSinkTests.PatientError")
        #expect(record.metadata.map(\.key) == ["a", "b", "c", "e"])
        #expect(record.metadata[1].value == "context")
        #expect(record.metadata[2].value == ["d": "pwd=‹password›"])
        #expect(record.metadata[3].value.description.hasSuffix("x…[cut]"))
    }

    @Test func `what a sink logs is written and not given to it`() async throws {
        let records = Records()
        let lines = try await writtenLines { writer in
            let inner = Mutex<Logger?>(nil)
            let sink: @Sendable (LogRecordView) -> Void = { record in
                records.add(record)
                inner.withLock { $0 }?.warning("From the sink")
            }
            let logger = self.logger(writer, sink: sink)
            inner.withLock { $0 = logger }
            logger.info("First")
            logger.info("Second")
            inner.withLock { $0 = nil }
        }
        #expect(records.all.map(\.message) == ["First", "Second"])
        #expect(
            try lines.map { try fields($0)["message"] as? String } == [
                "First", "From the sink", "Second", "From the sink",
            ])
    }
}
