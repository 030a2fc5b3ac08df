// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Synchronization

/// The levels of all loggers, by their names, which may change while the process runs.
///
/// A ``StructuredLogHandler`` that was given them asks with every call, at the price of one relaxed load; loggers that
/// exist already follow a change, and so do their copies. A level that was set on a logger (`logger.logLevel = .debug`)
/// stays with that logger.
///
/// ```swift
/// let levels = LogLevels(try LogLevelRules("info,clinic.access=warning"))
/// LoggingSystem.bootstrap { label in
///     StructuredLogHandler(label: label, writer: writer, format: .json, service: service, levels: levels)
/// }
/// …
/// levels.report(to: Logger(label: "clinic"))
/// levels.override(try LogLevelRules("clinic=trace"), until: .now + .seconds(900))
/// ```
public final class LogLevels: Sendable {
    private struct WeakCell {
        weak var cell: LogLevelCell?
    }

    private struct Override {
        let rules: LogLevelRules
        let deadline: ContinuousClock.Instant
        let id: Int
        /// Ends it at its deadline.
        let end: Task<Void, Never>
    }

    private struct State {
        var rules: LogLevelRules
        var override: Override?
        var overrideCount = 0
        /// An override whose time was found to be up by somebody who asked for a level, until that is reported.
        var unreportedID: Int?
        var cells: [String: WeakCell] = [:]
        /// How many cells there may be before those are removed that no logger has any more.
        var cellLimit = 64

        func level(forLabel label: String) -> Logger.Level {
            self.override?.rules.level(forLabel: label) ?? self.rules.level(forLabel: label) ?? .info
        }

        func apply() {
            for (label, cell) in self.cells { cell.cell?.set(self.level(forLabel: label)) }
        }
    }

    private let state: Mutex<State>
    /// Who hears of changes. Taken before the state: changes are reported in the order in which they were made, so that
    /// the last record says what holds.
    private let reporter = Mutex<Logger?>(nil)
    private let now: @Sendable () -> ContinuousClock.Instant
    private let sleep: @Sendable (ContinuousClock.Instant) async throws -> Void

    /// Levels that begin with these rules.
    ///
    /// - Parameters:
    ///   - rules: What holds until it is changed; `info` for whatever they have no level for.
    ///   - now: The time; the continuous clock's if not given.
    ///   - sleep: Waits until a moment; on the continuous clock if not given.
    public init(
        _ rules: LogLevelRules,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        sleep: @escaping @Sendable (ContinuousClock.Instant) async throws -> Void = {
            try await Task.sleep(until: $0, clock: .continuous)
        }
    ) {
        self.state = Mutex(State(rules: rules))
        self.now = now
        self.sleep = sleep
    }

    deinit { self.state.withLock { $0.override?.end.cancel() } }

    /// What holds when no override does.
    public var rules: LogLevelRules { self.state.withLock { $0.rules } }

    /// What holds above the rules, and until when.
    public var currentOverride: (rules: LogLevelRules, deadline: ContinuousClock.Instant)? {
        self.state.withLock { state in
            self.expire(&state)
            return state.override.map { ($0.rules, $0.deadline) }
        }
    }

    /// The level that a logger of this name has now.
    public func level(forLabel label: String) -> Logger.Level {
        self.state.withLock { state in
            self.expire(&state)
            return state.level(forLabel: label)
        }
    }

    /// Has every change from now on logged, as "Log levels changed" with all that holds then: `log.levels`, and while an
    /// override is above them, `log.levels_override` and `log.levels_seconds`. These records have no level that could
    /// silence them: whoever reads the log has to know why it falls silent.
    ///
    /// - Parameter logger: whom to tell. It must not change levels when it is told something.
    public func report(to logger: Logger) {
        var logger = logger
        logger.logLevel = .notice
        self.reporter.withLock { $0 = logger }
    }

    /// Changes the rules, for loggers that exist and for those to come. An override stays above them.
    public func set(_ rules: LogLevelRules) {
        self.change { state in
            guard state.rules != rules else { return false }
            state.rules = rules
            self.expire(&state)
            state.apply()
            return true
        }
    }

    /// Puts rules above the others until a moment; where they have no level, the others keep theirs. The last override
    /// replaces the one before.
    public func override(_ rules: LogLevelRules, until deadline: ContinuousClock.Instant) {
        self.change { state in
            state.override?.end.cancel()
            state.overrideCount += 1
            let id = state.overrideCount
            // Detached: for as long as it waits it must not keep the request that has asked for it. Weak: levels that
            // nobody has any more need no falling back.
            let end = Task.detached { [weak self, sleep] in
                try? await sleep(deadline)
                self?.end(id)
            }
            state.override = Override(rules: rules, deadline: deadline, id: id, end: end)
            self.expire(&state)
            state.apply()
            return true
        }
    }

    /// Takes an override back before its time.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    public func endOverride() -> Bool {
        self.change { state in
            self.expire(&state)
            guard let override = state.override else { return false }
            override.end.cancel()
            state.override = nil
            state.apply()
            return true
        }
    }

    /// What the loggers of one name ask for their level.
    func cell(forLabel label: String) -> LogLevelCell {
        self.state.withLock { state in
            if let cell = state.cells[label]?.cell { return cell }
            if state.cells.count >= state.cellLimit {
                state.cells = state.cells.filter { $0.value.cell != nil }
                state.cellLimit = max(64, state.cells.count * 2)
            }
            let cell = LogLevelCell(state.level(forLabel: label))
            state.cells[label] = WeakCell(cell: cell)
            return cell
        }
    }

    /// Takes back the override that the time is up for, unless another has replaced it.
    private func end(_ id: Int) {
        self.change { state in
            // Whoever asked in the meantime may have found its time up before.
            guard state.override?.id == id else { return state.unreportedID == id }
            state.override = nil
            state.apply()
            return true
        }
    }

    private func expire(_ state: inout State) {
        guard let override = state.override, override.deadline <= self.now() else { return }
        state.unreportedID = override.id
        state.override = nil
        state.apply()
    }

    /// Makes a change, and reports it.
    ///
    /// - Parameter body: says whether it has changed anything, which is returned.
    @discardableResult
    private func change(_ body: (inout State) -> Bool) -> Bool {
        self.reporter.withLock { reporter in
            let metadata: Logger.Metadata? = self.state.withLock { state in
                guard body(&state) else { return nil }
                state.unreportedID = nil
                var metadata: Logger.Metadata = ["log.levels": "\(state.rules)"]
                if let override = state.override {
                    let seconds = Int(((override.deadline - self.now()) / .seconds(1)).rounded())
                    metadata["log.levels_override"] = "\(override.rules)"
                    metadata["log.levels_seconds"] = "\(seconds)"
                }
                return metadata
            }
            guard let metadata else { return false }
            reporter?.notice("Log levels changed", metadata: metadata)
            return true
        }
    }
}
