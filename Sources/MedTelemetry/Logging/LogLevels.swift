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
    }

    private struct State {
        var rules: LogLevelRules
        var override: Override?
        var overrideCount = 0
        /// The last override whose time was up.
        var expiredID = 0
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

    /// Changes the rules, for loggers that exist and for those to come. An override stays above them.
    public func set(_ rules: LogLevelRules) {
        self.state.withLock { state in
            state.rules = rules
            self.expire(&state)
            state.apply()
        }
    }

    /// Puts rules above the others until a moment; where they have no level, the others keep theirs. The last override
    /// replaces the one before.
    ///
    /// - Parameter ended: Called when its time is up, unless it was replaced or taken back before.
    public func override(
        _ rules: LogLevelRules, until deadline: ContinuousClock.Instant, ended: @escaping @Sendable () -> Void = {}
    ) {
        let id = self.state.withLock { state in
            state.overrideCount += 1
            state.override = Override(rules: rules, deadline: deadline, id: state.overrideCount)
            self.expire(&state)
            state.apply()
            return state.overrideCount
        }
        // Weak: levels that nobody has any more need no falling back.
        Task { [weak self, sleep] in
            try? await sleep(deadline)
            if self?.end(id) == true { ended() }
        }
    }

    /// Takes an override back before its time.
    public func endOverride() {
        self.state.withLock { state in
            state.override = nil
            state.apply()
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
    ///
    /// - Returns: whether it held until then.
    private func end(_ id: Int) -> Bool {
        self.state.withLock { state in
            // Whoever asked in the meantime may have found its time up before.
            guard state.override?.id == id else { return state.expiredID == id }
            state.override = nil
            state.apply()
            return true
        }
    }

    private func expire(_ state: inout State) {
        guard let override = state.override, override.deadline <= self.now() else { return }
        state.expiredID = override.id
        state.override = nil
        state.apply()
    }
}
