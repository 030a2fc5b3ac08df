// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedTesting
import Testing

@testable import MedTelemetry

/// What a prepared logger logs is what the same logger would log with metadata, however it gets there.
@Suite struct PreparedLoggerTests {
    private static let service = LogService(name: "med", version: "1", environment: "test")

    private struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var format = LogFormat.json
        var hasSink = false
        var provided: Logger.Metadata = [:]
        var own: Logger.Metadata = [:]
    }

    private static let cases = [
        Case(testDescription: "written at once"),
        Case(testDescription: "text", format: .text),
        Case(testDescription: "a sink", hasSink: true),
        Case(testDescription: "a context", provided: ["request": "r1"]),
        Case(testDescription: "metadata of its own", own: ["shift": "night"]),
    ]

    private func logger(_ test: Case, _ writer: LogWriter) -> Logger {
        let provided = test.provided
        let sink: @Sendable (LogRecordView) -> Void = { _ in }
        let handler = StructuredLogHandler(
            label: "access", writer: writer, format: test.format, service: Self.service,
            metadataProvider: Logger.MetadataProvider { provided }, now: { 1_761_543_240_123 },
            sink: test.hasSink ? sink : nil)
        var logger = Logger(label: "access") { _ in handler }
        for (key, value) in test.own { logger[metadataKey: key] = value }
        return logger
    }

    @Test(arguments: cases)
    private func `it is the line that metadata would make`(test: Case) async throws {
        let trace = try #require(TraceID(high: 0x0123_4567_89ab_cdef, low: 0xf000_0000_0000_0001))
        let span = try #require(SpanID(0xfedc_ba98_7654_3210))
        let numbers: [Int64] = [0, 9, 10, -1, 99, 100, 1_000_000_007, .max, .min]
        let texts = [
            "", "GET", "quo\"te\\", "two\nlines\u{2028}", "é\u{1F600}", "ada@example.org", "token=abcdefghij0123456789",
            String(repeating: "x", count: 5000), String(repeating: "\u{1}", count: 5000),
        ]
        let lines = try await writtenLines { writer in
            let logger = self.logger(test, writer)
            let prepared = PreparedLogger(logger, "It \"was\" answered", dataset: "med.access")
            for index in 0..<max(numbers.count, texts.count) {
                let (number, text) = (numbers[index % numbers.count], texts[index % texts.count])
                prepared.log(level: .notice) { fields in
                    fields.add("a.number", number)
                    fields.add("b.text", text)
                    fields.add("c.span", span)
                    fields.add("d.trace", trace)
                }
                logger.notice(
                    "It \"was\" answered",
                    metadata: [
                        "a.number": .stringConvertible(number), "b.text": .string(text), "c.span": "\(span)",
                        "d.trace": "\(trace)", "event.dataset": "med.access",
                    ])
            }
        }
        #expect(lines.count == 2 * texts.count)
        for index in stride(from: 0, to: lines.count, by: 2) { #expect(lines[index] == lines[index + 1]) }
    }

    @Test func `a line that would be too long says so, and what follows is whole`() async throws {
        let lines = try await writtenLines { writer in
            let prepared = PreparedLogger(self.logger(Self.cases[0], writer), "Long", dataset: "med.access")
            prepared.log(level: .info) { fields in
                for _ in 0..<4 { fields.add("a", String(repeating: "\u{1}", count: 4096)) }
            }
            prepared.log(level: .info) { fields in fields.add("a", 1) }
        }
        #expect(lines.count == 2)
        #expect(lines[0].utf8.count < 65_536 && lines[0].hasSuffix(",\"labels.truncated\":true}"))
        #expect(lines[1].hasSuffix(",\"a\":\"1\"}"))
        for line in lines { #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) } }
    }

    @Test(arguments: [cases[0], cases[1]])
    private func `below its level nothing is asked for and nothing is written`(test: Case) async throws {
        let lines = try await writtenLines { writer in
            var logger = self.logger(test, writer)
            logger.logLevel = .error
            let prepared = PreparedLogger(logger, "Quiet", dataset: "med.access")
            #expect(!prepared.isEnabled(.warning) && prepared.isEnabled(.error))
            prepared.log(level: .warning) { _ in Issue.record("asked for fields") }
        }
        #expect(lines == [])
    }

    @Test func `any other handler gets metadata`() {
        let log = RecordedLog()
        let prepared = PreparedLogger(log.logger, "Answered", dataset: "med.access")
        prepared.log(level: .info) { fields in fields.add("a", 5) }
        #expect(log.messages == ["Answered"])
        #expect(log.text.contains("\"a\": 5") && log.text.contains("\"event.dataset\": med.access"))
    }
}
