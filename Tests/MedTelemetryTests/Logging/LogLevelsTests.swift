// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Synchronization
import Testing

@testable import MedTelemetry

@Suite struct LogLevelsTests {
    /// A clock that stands still until it is moved.
    private final class Clock: Sendable {
        private let state = Mutex(
            (
                now: ContinuousClock.Instant.now,
                sleepers: [(ContinuousClock.Instant, CheckedContinuation<Void, Never>)]()
            ))

        var now: ContinuousClock.Instant { self.state.withLock { $0.now } }

        func sleep(until deadline: ContinuousClock.Instant) async {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    guard state.now < deadline else { return true }
                    state.sleepers.append((deadline, continuation))
                    return false
                }
                if isOver { continuation.resume() }
            }
        }

        /// Moves on, and wakes nobody yet.
        func jump(by duration: Duration) { self.state.withLock { $0.now += duration } }

        /// Waits until somebody sleeps, then moves on and wakes whose time has come.
        func advance(by duration: Duration, sleepers: Int = 1) async throws {
            while self.state.withLock({ $0.sleepers.count < sleepers }) { try await Task.sleep(for: .milliseconds(1)) }
            let woken = self.state.withLock { state in
                state.now += duration
                let now = state.now
                defer { state.sleepers.removeAll { $0.0 <= now } }
                return state.sleepers.filter { $0.0 <= now }.map(\.1)
            }
            for continuation in woken { continuation.resume() }
        }
    }

    private func logger(_ label: String, _ levels: LogLevels) -> Logger {
        let writer = LogWriter(fileDescriptor: -1)
        let service = LogService(name: "med", version: "1", environment: "test")
        return Logger(label: label) {
            StructuredLogHandler(label: $0, writer: writer, format: .json, service: service, levels: levels)
        }
    }

    // MARK: The text form

    @Test func `rules are read from a text, and written as one`() throws {
        let rules = try LogLevelRules(" info , MedPostgres=debug,http.access = WARNING ")
        #expect(rules == LogLevelRules(defaultLevel: .info, levels: ["MedPostgres": .debug, "http.access": .warning]))
        #expect(rules.description == "info,MedPostgres=debug,http.access=warning")
        #expect(try LogLevelRules("Med=trace") == LogLevelRules(levels: ["Med": .trace]))
        #expect(try LogLevelRules(rules.description) == rules)
    }

    @Test func `every mistake is told, not only the first`() throws {
        let error = #expect(throws: LogLevelRulesError.self) {
            try LogLevelRules("info,,loud,a=,=debug,b=debug,b=info,warning,c=d=e")
        }
        #expect(
            error?.mistakes == [
                "Entry 2 is empty.",
                "Entry 3: 'loud' is no level; use trace, debug, info, notice, warning, error or critical.",
                "Entry 4: '' is no level; use trace, debug, info, notice, warning, error or critical.",
                "Entry 5 has no name before '='.",
                "Entry 7: 'b' is given a second time.",
                "Entry 8: a level for all loggers is given a second time.",
                "Entry 9: 'd=e' is no level; use trace, debug, info, notice, warning, error or critical.",
            ])
    }

    @Test func `a mistake quotes little, and nothing that steers a terminal`() {
        let long = #expect(throws: LogLevelRulesError.self) { try LogLevelRules(String(repeating: "x", count: 5000)) }
        #expect(long?.description.contains("'\(String(repeating: "x", count: 40))…'") == true)
        let control = #expect(throws: LogLevelRulesError.self) { try LogLevelRules("a\u{1B}[2Jb") }
        #expect(control?.description.contains("'a?[2Jb'") == true)
        let huge = #expect(throws: LogLevelRulesError.self) {
            try LogLevelRules(String(repeating: "info,", count: 5000))
        }
        #expect(huge?.mistakes == ["The levels are 25000 bytes long; at most 8192 are read."])
        #expect(throws: LogLevelRulesError.self) { try LogLevelRules("") }
    }

    @Test(arguments: [
        ("MedPostgres.Pool", Logger.Level.error), ("MedPostgres", .debug), ("MedPostgresX", .debug), ("Med", .warning),
        ("Other", .notice), ("", .notice),
    ])
    func `the longest beginning wins`(label: String, expected: Logger.Level) throws {
        let levels = LogLevels(try LogLevelRules("notice,Med=warning,MedPostgres=debug,MedPostgres.Pool=error"))
        #expect(levels.level(forLabel: label) == expected)
        #expect(self.logger(label, levels).logLevel == expected)
    }

    // MARK: Changes

    @Test func `a change reaches loggers that exist, and their copies, but not a level of their own`() throws {
        let levels = LogLevels(LogLevelRules(defaultLevel: .info))
        let logger = self.logger("MedPostgres", levels)
        var copy = logger
        copy[metadataKey: "a"] = "b"
        var own = logger
        own.logLevel = .critical
        levels.set(try LogLevelRules("error,MedPostgres=trace"))
        #expect(logger.logLevel == .trace)
        #expect(copy.logLevel == .trace)
        #expect(own.logLevel == .critical)
        #expect(self.logger("Other", levels).logLevel == .error)
        #expect(levels.rules.description == "error,MedPostgres=trace")
    }

    @Test func `an override ends at its deadline, by itself`() async throws {
        let clock = Clock()
        let levels = LogLevels(
            try LogLevelRules("info,http=warning"), now: { clock.now }, sleep: { await clock.sleep(until: $0) })
        let (database, http) = (self.logger("MedPostgres", levels), self.logger("http", levels))
        levels.override(try LogLevelRules("MedPostgres=trace"), until: clock.now + .seconds(900))
        #expect(database.logLevel == .trace)
        #expect(http.logLevel == .warning)
        #expect(levels.currentOverride?.rules.description == "MedPostgres=trace")
        // What lies below changes meanwhile.
        levels.set(try LogLevelRules("notice"))
        #expect(database.logLevel == .trace)
        #expect(http.logLevel == .notice)
        try await clock.advance(by: .seconds(899))
        #expect(database.logLevel == .trace)
        try await clock.advance(by: .seconds(1))
        while database.logLevel != .notice { try await Task.sleep(for: .milliseconds(1)) }
        #expect(levels.currentOverride == nil)
    }

    // MARK: What is told

    /// What was told, without the message, which is always the same.
    private final class Told: LogHandler, Sendable {
        /// Whether every other record takes a while.
        let isUneven: Bool
        private let calls = Atomic(0)
        private let state = Mutex<[Logger.Metadata]>([])
        let level = Mutex(Logger.Level.critical)
        var records: [Logger.Metadata] { self.state.withLock { $0 } }
        var texts: [String] {
            self.records.map { record in
                record.sorted { $0.key < $1.key }.map { "\($0.key.dropFirst(4))=\($0.value)" }.joined(separator: " ")
            }
        }
        var logger: Logger { Logger(label: "told") { _ in self } }

        init(isUneven: Bool = false) { self.isUneven = isUneven }

        func log(event: LogEvent) {
            guard event.message == "Log levels changed" else { return }
            if self.isUneven, self.calls.add(1, ordering: .relaxed).newValue % 2 == 1 { usleep(1000) }
            self.state.withLock { $0.append(event.metadata ?? [:]) }
        }
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { self.level.withLock { $0 } }
            set { self.level.withLock { $0 = newValue } }
        }
    }

    @Test func `every change is told with all that holds then, whatever the level, and nothing else is`() throws {
        let clock = Clock()
        let levels = LogLevels(
            LogLevelRules(defaultLevel: .info), now: { clock.now }, sleep: { await clock.sleep(until: $0) })
        let told = Told()
        levels.report(to: told.logger)
        #expect(levels.endOverride() == false)
        levels.set(LogLevelRules(defaultLevel: .info))
        #expect(told.texts.isEmpty)
        levels.override(LogLevelRules(defaultLevel: .critical), until: clock.now + .seconds(900))
        levels.set(try LogLevelRules("warning,a=debug"))
        #expect(levels.endOverride() == true)
        #expect(levels.endOverride() == false)
        #expect(
            told.texts == [
                "levels=info levels_override=critical levels_seconds=900",
                "levels=warning,a=debug levels_override=critical levels_seconds=900",
                "levels=warning,a=debug",
            ])
    }

    @Test func `the end of an override is told once, although somebody has seen it before`() async throws {
        let clock = Clock()
        let levels = LogLevels(
            LogLevelRules(defaultLevel: .info), now: { clock.now }, sleep: { await clock.sleep(until: $0) })
        let told = Told()
        levels.report(to: told.logger)
        levels.override(LogLevelRules(defaultLevel: .debug), until: clock.now + .seconds(10))
        clock.jump(by: .seconds(10))
        #expect(levels.level(forLabel: "a") == .info)
        #expect(told.records.count == 1)
        try await clock.advance(by: .zero, sleepers: 0)
        while told.records.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(told.texts.last == "levels=info")
        // Here a change has told it before its own time comes.
        levels.override(LogLevelRules(defaultLevel: .debug), until: clock.now + .seconds(10))
        clock.jump(by: .seconds(10))
        #expect(levels.currentOverride == nil)
        levels.set(LogLevelRules(defaultLevel: .error))
        try await clock.advance(by: .zero, sleepers: 0)
        levels.override(LogLevelRules(defaultLevel: .trace), until: clock.now + .seconds(10))
        #expect(
            told.texts.dropFirst(3) == [
                "levels=error", "levels=error levels_override=trace levels_seconds=10",
            ])
    }

    @Test func `of changes at once, the last one that is told is the one that holds`() async {
        let levels = LogLevels(LogLevelRules(defaultLevel: .info))
        let told = Told(isUneven: true)
        levels.report(to: told.logger)
        for round in 0..<50 {
            await withTaskGroup { group in
                for task in 0..<4 {
                    group.addTask {
                        levels.override(
                            LogLevelRules(levels: ["l\(round)-\(task)": .debug]), until: .now + .seconds(1000))
                    }
                }
            }
            let holds = levels.currentOverride.map { "\($0.rules)" }
            #expect(told.records.last?["log.levels_override"].map { "\($0)" } == holds)
        }
    }

    // MARK: What waits

    private final class Request: Sendable {
        @TaskLocal static var current: Request?
    }

    @Test func `an override does not keep the request that has asked for it`() async {
        let levels = LogLevels(LogLevelRules(defaultLevel: .info))
        weak var kept: Request?
        do {
            let request = Request()
            kept = request
            Request.$current.withValue(request) {
                levels.override(LogLevelRules(defaultLevel: .debug), until: .now + .seconds(100_000))
            }
        }
        #expect(kept == nil)
        #expect(levels.currentOverride != nil)
    }

    @Test func `nobody waits for the end of an override that was replaced, taken back or forgotten`() async {
        let (ends, end) = AsyncStream<Void>.makeStream()
        var levels: LogLevels? = LogLevels(
            LogLevelRules(defaultLevel: .info),
            sleep: { _ in
                // Ends by cancellation alone.
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(100_000)) }
                end.yield()
            })
        var waiting = ends.makeAsyncIterator()
        levels?.override(LogLevelRules(defaultLevel: .debug), until: .now + .seconds(100_000))
        levels?.override(LogLevelRules(defaultLevel: .trace), until: .now + .seconds(100_000))
        await waiting.next()
        levels?.endOverride()
        await waiting.next()
        levels?.override(LogLevelRules(defaultLevel: .trace), until: .now + .seconds(100_000))
        levels = nil
        await waiting.next()
    }

    @Test func `an override that was replaced does not end the one that replaced it`() async throws {
        let clock = Clock()
        let levels = LogLevels(
            LogLevelRules(defaultLevel: .info), now: { clock.now }, sleep: { await clock.sleep(until: $0) })
        let logger = self.logger("a", levels)
        levels.override(LogLevelRules(defaultLevel: .debug), until: clock.now + .seconds(10))
        levels.override(LogLevelRules(defaultLevel: .trace), until: clock.now + .seconds(20))
        try await clock.advance(by: .seconds(10), sleepers: 2)
        #expect(levels.level(forLabel: "a") == .trace)
        #expect(logger.logLevel == .trace)
        levels.endOverride()
        #expect(logger.logLevel == .info)
        try await clock.advance(by: .seconds(10))
    }

    @Test func `an override whose deadline has passed has no effect`() {
        let levels = LogLevels(LogLevelRules(defaultLevel: .info))
        let logger = self.logger("a", levels)
        levels.override(LogLevelRules(defaultLevel: .trace), until: .now - .seconds(1))
        #expect(logger.logLevel == .info)
        #expect(levels.currentOverride == nil)
    }

    @Test func `names that come and go are not kept`() {
        let levels = LogLevels(LogLevelRules(defaultLevel: .info))
        weak var first: LogLevelCell?
        do {
            let cell = levels.cell(forLabel: "first")
            first = cell
            #expect(levels.cell(forLabel: "first") === cell)
        }
        for number in 0..<1000 { _ = levels.cell(forLabel: "connection \(number)") }
        #expect(first == nil)
    }
}
