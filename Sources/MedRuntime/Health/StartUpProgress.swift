// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Synchronization

/// How far the start-up is, for the log and the status page: phases with names, one after the other.
///
/// ```swift
/// while true {
///     do {
///         progress.begin("database")
///         try await database.open()
///         progress.begin("migration")      // ends "database"
///         try await database.migrate()
///         return progress.finish()
///     } catch {
///         progress.attemptFailed()         // and again, from the start
///     }
/// }
/// ```
public final class StartUpProgress: Sendable {
    /// A part of the start-up.
    public struct Phase: Sendable, Equatable {
        /// How a phase stands.
        public enum State: String, Sendable {
            /// It is at work.
            case running
            /// Its last attempt failed; there will be another one.
            case failed
            /// It is through.
            case done
        }

        /// What it does, in a word.
        public let name: String
        /// How it stands.
        public let state: State
        /// How many attempts have failed.
        public let failedAttempts: Int
        /// The time from its begin to its end, or to now.
        public let duration: Duration
    }

    private struct Entry {
        let name: String
        let began: SuspendingClock.Instant
        var state = Phase.State.running
        var failedAttempts = 0
        var ended: SuspendingClock.Instant?
        /// One that is gone through again, because a later one failed, is no news.
        var isLogged = false
    }

    private let entries = Mutex<[Entry]>([])
    private let now: @Sendable () -> SuspendingClock.Instant
    private let logger: Logger

    /// Creates a progress without any phase yet.
    public convenience init(logger: Logger) { self.init(now: { .now }, logger: logger) }

    init(now: @escaping @Sendable () -> SuspendingClock.Instant, logger: Logger) {
        self.now = now
        self.logger = logger
    }

    /// The phases so far, in the order in which they first began.
    public var phases: [Phase] {
        let now = self.now()
        return self.entries.withLock { entries in
            entries.map { entry in
                Phase(
                    name: entry.name,
                    state: entry.state,
                    failedAttempts: entry.failedAttempts,
                    duration: entry.began.duration(to: entry.ended ?? now)
                )
            }
        }
    }

    /// Begins a phase, or goes on with it. Another one that is at work is done then.
    public func begin(_ name: String) {
        let now = self.now()
        let (done, isNew) = self.entries.withLock { entries in
            let done = Self.end(&entries, at: now, except: name)
            guard let index = entries.firstIndex(where: { $0.name == name }) else {
                entries.append(Entry(name: name, began: now))
                return (done, true)
            }
            entries[index].state = .running
            entries[index].ended = nil
            return (done, false)
        }
        self.log(done)
        if isNew { self.logger.info("Start-up phase begun", metadata: ["startup.phase": "\(name)"]) }
    }

    /// Says that what the phase at work has tried did not work, and that it will be tried again.
    public func attemptFailed() {
        self.entries.withLock { entries in
            for index in entries.indices where entries[index].state == .running {
                entries[index].state = .failed
                entries[index].failedAttempts += 1
            }
        }
    }

    /// Ends the last phase.
    public func finish() {
        let now = self.now()
        self.log(self.entries.withLock { Self.end(&$0, at: now, except: nil) })
    }

    /// - Returns: what there is to log.
    private static func end(
        _ entries: inout [Entry],
        at now: SuspendingClock.Instant,
        except name: String?
    ) -> [Entry] {
        var ended: [Entry] = []
        for index in entries.indices where entries[index].state == .running && entries[index].name != name {
            entries[index].state = .done
            entries[index].ended = now
            if !entries[index].isLogged { ended.append(entries[index]) }
            entries[index].isLogged = true
        }
        return ended
    }

    /// Not inside the lock: a page that reads the phases must not wait for a log that is slow.
    private func log(_ done: [Entry]) {
        for entry in done {
            let duration = entry.began.duration(to: entry.ended ?? entry.began) / .nanoseconds(1)
            self.logger.info(
                "Start-up phase done",
                metadata: [
                    "startup.phase": "\(entry.name)",
                    "startup.failedAttempts": "\(entry.failedAttempts)",
                    "event.duration": "\(Int(duration))",
                ]
            )
        }
    }
}
