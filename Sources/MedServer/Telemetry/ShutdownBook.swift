// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedRuntime
import MedStorage
import MedTelemetry
import ServiceLifecycle
import Synchronization

/// Keeps the records of shutdowns in the database: that of the last process, which could not do it itself, once the database works;
/// this process's own in its clean-up; and reads from time to time what all replicas have written.
final class ShutdownBook: Service {
    /// How long the clean-up tries: whoever is asked to stop does not wait for a database.
    private static let patience = Duration.milliseconds(500)
    /// How often the records are read.
    private static let interval = Duration.seconds(15)

    private struct State {
        var counts: [ShutdownRecords.Count] = []
        var schemaVersion: Int?
    }

    private let records: ShutdownRecords
    private let database: any Database
    private let engine: HealthEngine
    private let lifecycle: Lifecycle
    private let unrecorded: ShutdownRecord?
    private let instance: String
    private let recorded: @Sendable () -> Void
    private let shutdowns: MetricFamily<Counter>?
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - database: the one that transactions are not counted in: the clean-up begins nothing new.
    ///   - unrecorded: what the last process left behind.
    ///   - recorded: called when the database has the record of this process.
    init(
        database: any Database,
        engine: HealthEngine,
        lifecycle: Lifecycle,
        instance: String,
        unrecorded: ShutdownRecord?,
        recorded: @escaping @Sendable () -> Void,
        shutdowns: MetricFamily<Counter>?,
        logger: Logger
    ) {
        self.records = ShutdownRecords(database: database)
        self.database = database
        self.engine = engine
        self.lifecycle = lifecycle
        self.instance = instance
        self.unrecorded = unrecorded
        self.recorded = recorded
        self.shutdowns = shutdowns
        self.logger = logger
    }

    /// The shutdowns of the last day, of all replicas, as they were read last.
    var counts: [ShutdownRecords.Count] { self.state.withLock { $0.counts } }

    /// The version of the schema, as it was read last; nil before that.
    var schemaVersion: Int? { self.state.withLock { $0.schemaVersion } }

    func run() async throws {
        try? await cancelWhenGracefulShutdown { try await self.keep() }
        try await gracefulShutdown()
    }

    private func keep() async throws {
        var unrecorded = self.unrecorded
        while true {
            if self.lifecycle.phase == .serving, self.engine.isUp(["database"]) {
                // What fails is tried again next time; the check of the database says why.
                if let record = unrecorded, (try? await self.records.save(record)) != nil { unrecorded = nil }
                await self.read()
                try await Task.sleep(for: Self.interval)
            } else {
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    private func read() async {
        let counts = try? await self.records.lastDay()
        let version = try? await self.database.migrationStatus().version
        self.state.withLock { state in
            if let counts { state.counts = ShutdownRecords.Count.merge(counts, after: state.counts) }
            if let version { state.schemaVersion = version }
        }
    }

    /// Counts the shutdown, for whoever still asks: the clean-up has begun, so it will be what it is now unless the deadline comes first.
    func count() {
        guard let receipt = self.lifecycle.receipt else { return }
        self.shutdowns?.with(receipt.trigger.rawValue, receipt.outcome.rawValue).increment()
    }

    /// Writes the record of this process. A step of the clean-up, before the database is closed.
    func close() async {
        guard let receipt = self.lifecycle.receipt, self.engine.isUp(["database"]) else { return }
        let record = ShutdownRecord(receipt, of: self.instance)
        let isSaved = await withTaskGroup(of: Bool.self) { group in
            group.addTask { [records] in (try? await records.save(record)) != nil }
            group.addTask {
                try? await Task.sleep(for: Self.patience)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
        if isSaved {
            self.recorded()
        } else {
            self.logger.warning("The shutdown is not in the database", metadata: ["shutdown.receipt": "\(record)"])
        }
    }
}
