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
            await fleet.signal(slot, SIGKILL)
            try await fleet.waitForExit(slot)
            try await fleet.start(slot)
        case .trap:
            let slot = try await fleet.firstReady()
            // It is answered with 500, or not at all.
            _ = try? await fleet.ask(slot, "/_drill/trap", limit: .seconds(10))
            try await fleet.waitForExit(slot)
            try await fleet.start(slot)
        case .stall:
            let slot = try await fleet.firstReady()
            _ = try? await fleet.ask(slot, "/_drill/block?thread=pool&ms=3600000", limit: .milliseconds(200))
            try await fleet.replaceWhenDead(slot)
        case .database:
            guard let databaseRestart else {
                throw DrillError("No command restarts the database. Name one, or leave this fault out.")
            }
            let result = try await Subprocess.run(
                .path("/bin/sh"), arguments: ["-c", databaseRestart], output: .discarded, error: .discarded)
            guard result.terminationStatus.isSuccess else {
                throw DrillError("The command that restarts the database failed.")
            }
            try await fleet.waitUntilAllAreReady()
        case .pool:
            try await fleet.fillPool(try await fleet.firstReady(), for: .seconds(3))
        }
    }
}
