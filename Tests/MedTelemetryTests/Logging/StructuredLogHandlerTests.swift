// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Testing

@testable import MedTelemetry

@Suite struct StructuredLogHandlerTests {
    private struct PatientError: Error, CustomStringConvertible {
        let description = "Ada Lovelace has a fever"
    }

    private func handler(
        _ writer: LogWriter,
        label: String = "test",
        format: LogFormat = .json,
        level: Logger.Level = .info,
        metadataProvider: Logger.MetadataProvider? = nil
    ) -> StructuredLogHandler {
        StructuredLogHandler(
            label: label,
            writer: writer,
            format: format,
            service: LogService(name: "med", version: "1", environment: "test"),
            level: level,
            metadataProvider: metadataProvider,
            now: { 1_761_543_240_123 }
        )
    }

    /// What a body logs.
    @Test func `a record becomes one line, from the logger's call to the pipe`() async throws {
        let lines = try await writtenLines { writer in
            let logger = Logger(label: "server") { self.handler(writer, label: $0) }
            logger.notice("serving on port \(5000)", metadata: ["http.inFlight": "3"])
        }
        #expect(
            lines == [
                #"{"@timestamp":"2025-10-27T05:34:00.123Z","log.level":"notice","message":"serving on port 5000","ecs.version":"8.11","#
                    + #""service.name":"med","service.version":"1","service.environment":"test","event.dataset":"med.log","#
                    + #""log.logger":"server","http.inFlight":"3"}"#
            ]
        )
    }

    @Test func `text is for people`() async throws {
        let lines = try await writtenLines { writer in
            let logger = Logger(label: "server") { self.handler(writer, label: $0, format: .text) }
            logger.notice("Draining", metadata: ["http.inFlight": "3"])
        }
        #expect(lines == ["05:34:00.123 NOTICE  Draining  http.inFlight=3"])
    }

    @Test func `every level has its name, and those below the logger's are silent`() async throws {
        for lowest in Logger.Level.allCases {
            let lines = try await writtenLines { writer in
                let logger = Logger(label: "test") { self.handler(writer, label: $0, level: lowest) }
                for level in Logger.Level.allCases { logger.log(level: level, "Message") }
            }
            let levels = try lines.map { try fields($0)["log.level"] as? String }
            #expect(levels == Logger.Level.allCases.filter { $0 >= lowest }.map(\.rawValue))
        }
    }

    @Test func `of an error only its type is logged`() async throws {
        for format in LogFormat.allCases {
            let lines = try await writtenLines { writer in
                let logger = Logger(label: "test") { self.handler(writer, label: $0, format: format) }
                logger.error("Request failed", error: PatientError())
            }
            let line = try #require(lines.first)
            let name = "MedTelemetryTests.StructuredLogHandlerTests.PatientError"
            #expect(line.contains(format == .json ? #","error.type":"\#(name)"}"# : "error.type=\(name)"))
            #expect(!line.contains("Ada"))
            #expect(!line.contains("fever"))
        }
    }

    @Test func `the call beats the context, the context beats the logger`() async throws {
        let lines = try await writtenLines { writer in
            let provider = Logger.MetadataProvider { ["b": "context", "c": "context"] }
            var logger = Logger(label: "test") { self.handler(writer, label: $0, metadataProvider: provider) }
            for key in ["a", "b", "c"] { logger[metadataKey: key] = "logger" }
            logger.info("Message", metadata: ["c": "call", "d": "call"])
            logger.info("Message")
        }
        #expect(lines.first?.hasSuffix(#","a":"logger","b":"context","c":"call","d":"call"}"#) == true)
        #expect(lines.last?.hasSuffix(#","a":"logger","b":"context","c":"context"}"#) == true)
    }

    @Test func `a logger made with a provider of its own uses it`() async throws {
        let lines = try await writtenLines { writer in
            let logger = Logger(label: "test") { label in
                var handler = self.handler(writer, label: label)
                handler.metadataProvider = Logger.MetadataProvider { ["trace.id": "abc"] }
                return handler
            }
            logger.info("Message")
        }
        #expect(lines.first?.hasSuffix(#","trace.id":"abc"}"#) == true)
    }

    @Test func `level and metadata are values: a copy's changes stay its own`() async throws {
        let lines = try await writtenLines { writer in
            var first = Logger(label: "first") { self.handler(writer, label: $0) }
            first.logLevel = .debug
            first[metadataKey: "only-on"] = "first"
            var second = first
            second.logLevel = .error
            second[metadataKey: "only-on"] = "second"
            #expect(first.logLevel == .debug)
            #expect(second.logLevel == .error)
            first.debug("Message")
            second.debug("Message")
            second.error("Message")
        }
        #expect(lines.count == 2)
        #expect(lines.first?.hasSuffix(#","only-on":"first"}"#) == true)
        #expect(lines.last?.hasSuffix(#","only-on":"second"}"#) == true)
    }

    @Test func `without a clock of the caller's the time is the system's`() async throws {
        let before = Date()
        let lines = try await writtenLines { writer in
            let service = LogService(name: "med", version: "1", environment: "test")
            let logger = Logger(label: "test") {
                StructuredLogHandler(label: $0, writer: writer, format: .json, service: service)
            }
            logger.info("Message")
        }
        let line = try #require(lines.first)
        let timestamp = try #require(try fields(line)["@timestamp"] as? String)
        let date = try Date(timestamp, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        #expect(date.timeIntervalSince(before) > -0.002)
        #expect(date <= Date())
    }

    @Test func `a message of a million characters passes through the pipe as one line`() async throws {
        let lines = try await writtenLines { writer in
            let logger = Logger(label: "test") { self.handler(writer, label: $0) }
            logger.info("\(String(repeating: "x", count: 1_000_000))")
            logger.info("Next")
        }
        #expect(
            try lines.map { try (fields($0)["message"] as? String)?.utf8.count } == [16_384 + "…[cut]".utf8.count, 4])
    }
}
