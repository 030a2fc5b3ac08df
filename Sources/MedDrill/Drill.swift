// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import MedStorage

/// Three replicas under load: rolling updates one after the other, then faults, and what the clients saw of them.
///
/// ```swift
/// let drill = Drill(plan, program: "/usr/local/bin/medbuilder", environment: environment, folder: folder)
/// let report = try await drill.run(database: database) { print($0) }
/// print(report.table)
/// ```
///
/// The replicas are real processes, on ports of this machine, behind a real proxy or asked directly. All of them end with the drill.
public struct Drill: Sendable {
    /// What is done.
    public struct Plan: Sendable {
        /// What stands between the clients and the replicas.
        public var proxy = DrillProxy.haproxy
        /// How many rolling updates follow one another. Each replaces every replica.
        public var updates = 10
        /// What is done to replicas and database afterwards, in this order.
        public var faults: [DrillFault] = []
        /// Requests a second.
        public var rate = 5000
        /// How many replicas there are.
        public var replicas = 3
        /// `SHUTDOWN_DRAIN_DELAY_SECONDS` of the replicas.
        public var drainDelay = 5
        /// A shell command that restarts the database, and ends when that has been done.
        public var databaseRestart: String?
        /// Where the addresses at which replicas have their metrics are written, for `file_sd_configs` of Prometheus.
        public var scrapeTargets: URL?

        public init() {}
    }

    /// How many rows there are to read.
    private static let seeds = 100
    /// How long load runs before and after everything that happens, so that one does not hide the other.
    private static let pause = Duration.seconds(2)

    private let plan: Plan
    private let program: String
    private let environment: [String: String]
    private let folder: URL

    /// Creates a drill.
    ///
    /// - Parameters:
    ///   - program: The binary to start as a replica, by its path.
    ///   - environment: What the replicas get, beside what the drill sets itself.
    ///   - folder: Where the logs and the files of the proxy go. It must exist.
    public init(_ plan: Plan, program: String, environment: [String: String], folder: URL) {
        self.plan = plan
        self.program = program
        self.environment = environment
        self.folder = folder
    }

    /// Does it all.
    ///
    /// - Parameters:
    ///   - database: The one that the replicas use, open and with its schema.
    ///   - say: Hears of each step.
    /// - Throws: ``DrillError`` if something does not start before the load does; what the database throws. What goes wrong later is in
    ///   the report.
    public func run(database: any Database, say: @escaping @Sendable (String) -> Void) async throws -> DrillReport {
        let name = "drill-" + UUID().uuidString.prefix(8).lowercased()
        let targets = try await self.seed(database, name: name)
        let fleet = try Fleet(
            count: self.plan.replicas, program: self.program, environment: self.replicaEnvironment, folder: self.folder)
        do {
            let report = try await self.run(database: database, name: name, targets: targets, fleet: fleet, say: say)
            await fleet.end()
            return report
        } catch {
            await fleet.end()
            throw error
        }
    }

    /// Staging, and the drill's routes: the only differences from production.
    public static let environment = ["APP_ENV": "staging", "DRILL_ROUTES": "on"]

    private var replicaEnvironment: [String: String] {
        self.environment.merging(Self.environment) { $1 }.merging([
            "LOG_FORMAT": "json", "SHUTDOWN_DRAIN_DELAY_SECONDS": "\(self.plan.drainDelay)",
        ]) { $1 }
    }

    private func seed(_ database: any Database, name: String) async throws -> [String] {
        try await database.transaction { transaction in
            for number in 0..<Self.seeds {
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\("\(name)-seed-\(number)"))")
            }
        }
        let rows = try await database.query("SELECT id FROM drill_rows WHERE value LIKE \("\(name)-seed-%")")
        return try rows.map { "/_drill/rows/\(try $0.decode(0, as: Int.self))" }
    }

    private func run(
        database: any Database, name: String, targets: [String], fleet: Fleet, say: @escaping @Sendable (String) -> Void
    ) async throws -> DrillReport {
        if let file = self.plan.scrapeTargets {
            let list = [["targets": fleet.ports.map { "127.0.0.1:\($0)" }]]
            try JSONEncoder().encode(list).write(to: file, options: .atomic)
        }
        say("Starting \(self.plan.replicas) replicas")
        for slot in 0..<self.plan.replicas { try await fleet.start(slot) }
        let proxy = try await self.plan.proxy.start(for: fleet.ports, in: self.folder, fleet: fleet)
        let ports = if let proxy { [proxy] } else { await fleet.readyPorts }
        let load = Load(
            LoadPlan(
                rate: self.plan.rate, retries: proxy == nil, readTargets: targets,
                writeTarget: "/_drill/transaction?value=\(name)-"),
            ports: ports)
        if proxy == nil { await fleet.announce { load.use($0) } }
        await fleet.watch(since: load.start)
        var phases = DrillPhases(start: load.start)
        var aborted: String?
        do {
            phases.begin(.steady, "steady")
            try await Task.sleep(for: Self.pause)
            for number in 0..<self.plan.updates {
                say("Rolling update \(number + 1) of \(self.plan.updates)")
                phases.begin(.update, "update \(number + 1)")
                try await fleet.update()
            }
            phases.begin(.steady, "steady")
            try await Task.sleep(for: Self.pause)
            for fault in self.plan.faults {
                say("Fault: \(fault.title)")
                phases.begin(.fault, fault.title)
                try await fault.strike(fleet, databaseRestart: self.plan.databaseRestart)
                try await Task.sleep(for: Self.pause)
                phases.begin(.steady, "steady")
                try await Task.sleep(for: Self.pause)
            }
        } catch {
            aborted = "\(error)"
        }
        phases.end()
        let samples = await load.stop()
        say("Looking for every acknowledged write")
        var written: [UInt32] = []
        do {
            let rows = try await database.query("SELECT value FROM drill_rows WHERE value LIKE \("\(name)-%")")
            written = try rows.compactMap { UInt32(try $0.decode(0, as: String.self).dropFirst(name.count + 1)) }
        } catch {
            aborted = (aborted.map { "\($0) " } ?? "") + "The database could not be asked for the writes: \(error)"
        }
        return DrillReport(
            plan: self.plan, phases: phases.all, samples: samples,
            written: written,
            events: await fleet.events,
            findings: await fleet.findings,
            aborted: aborted)
    }
}
