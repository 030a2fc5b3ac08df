// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import SystemPackage

/// What a drill does to one of its replicas, or to their database.
public enum DrillFault: String, Sendable, CaseIterable {
    /// `kill -9`: the process is gone within the millisecond, and with it what it was working on.
    case kill
    /// A runtime trap: the process contains it, drains and exits with 70.
    case trap
    /// Every thread of the task pool is blocked, as by a deadlock: it answers nothing but probes, and is replaced when `/live` fails.
    case stall
    /// The database restarts.
    case database
    /// Transactions that hold every connection of a replica's pool for some seconds.
    case pool

    /// Its name in the report.
    public var title: String {
        switch self {
        case .kill: "kill -9 of a replica"
        case .trap: "trap in a replica"
        case .stall: "stalled replica"
        case .database: "database restart"
        case .pool: "full pool of a replica"
        }
    }

    /// Does it, and waits until all replicas are ready again.
    func strike(_ fleet: Fleet, databaseRestart: String?) async throws {
        switch self {
        case .kill:
            let slot = try await fleet.firstReady()
            try await fleet.end(slot, by: SIGKILL, expecting: "signal 9")
            try await fleet.start(slot)
        case .trap:
            let slot = try await fleet.firstReady()
            // It is answered with 500, or not at all.
            try await fleet.end(slot, expecting: "exit 70") {
                _ = try? await fleet.ask(slot, "/_drill/trap", limit: .seconds(10))
            }
            try await fleet.start(slot)
        case .stall:
            let slot = try await fleet.firstReady()
            _ = try? await fleet.ask(slot, "/_drill/block?thread=pool&ms=3600000", limit: .milliseconds(200))
            try await fleet.replaceWhenDead(slot)
        case .database:
            guard let databaseRestart else {
                throw DrillError("No command restarts the database. Name one, or leave this fault out.")
            }
            guard try await Self.run(databaseRestart, limit: .seconds(120)) else {
                throw DrillError("The command that restarts the database failed, or took longer than two minutes.")
            }
            try await fleet.waitUntilAllAreReady()
        case .pool:
            try await fleet.fillPool(try await fleet.firstReady(), for: .seconds(3))
        }
    }

    /// Whether a shell command succeeds in time; if not, it is ended.
    private static func run(_ command: String, limit: Duration) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await Subprocess.run(
                    .path("/bin/sh"), arguments: ["-c", command], output: .discarded, error: .currentStandardError
                ).terminationStatus.isSuccess
            }
            group.addTask {
                try await Task.sleep(for: limit)
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
