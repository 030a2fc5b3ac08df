// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedPrivacy
import MedRuntime
import MedStorage

extension HealthCheck {
    /// Whether the database works, asked on a connection that is kept for it.
    static func database(_ database: any Database) -> HealthCheck {
        HealthCheck(
            "database",
            readiness: .required,
            interval: .seconds(1),
            // Interval and timeout together must be below the three intervals after which an answer is too old.
            timeout: .milliseconds(1500),
            componentType: "datastore",
            detailsArePublic: true,
            initial: HealthReport(
                status: .degraded,
                details: [("status", .string(DatabaseStatus.disconnected.rawValue)), ("responseTime", .null)],
                summary: "It has not been reached yet."
            ),
            unanswered: HealthReport(
                status: .unhealthy,
                details: [("status", .string(DatabaseStatus.error.rawValue)), ("responseTime", .null)],
                reason: "The database did not answer in time.",
                summary: "It did not answer in time."
            )
        ) {
            let check = await database.check()
            return HealthReport(
                status: check.status.health,
                details: [
                    ("status", .string(check.status.rawValue)),
                    ("responseTime", check.responseTime.map { .integer(Int($0 / .milliseconds(1))) } ?? .null),
                ],
                reason: check.problem?.description,
                summary: check.status.summary(of: check.problem)
            )
        }
    }

    /// Whether PHI can be encrypted and decrypted.
    ///
    /// - Parameters:
    ///   - key: the key in force; none when encryption is switched off.
    ///   - isKeySet: whether a key is configured, used or not.
    static func encryption(key: PHIKey?, isKeySet: Bool, environment: AppEnvironment) -> HealthCheck {
        let run = { @Sendable () -> HealthReport in
            var passed = true
            var reason: String?
            do throws(CipherSelfTestError) {
                // Without a key in force the cipher itself is tested all the same.
                try CipherSelfTest().run(key: key ?? .generate())
            } catch {
                passed = false
                reason = error.description
            }
            return HealthReport(
                status: passed ? .healthy : .unhealthy,
                details: [
                    ("enabled", .boolean(key != nil && passed)),
                    ("keySet", .boolean(isKeySet)),
                    ("keyValid", .boolean(key?.hasCipherLength ?? true)),
                    ("testPassed", .boolean(passed)),
                    ("algorithm", .string(CipherSelfTest.algorithm)),
                    ("keyLength", .integer(CipherSelfTest.keyLength)),
                    ("environment", .string(environment.rawValue)),
                ],
                reason: reason,
                summary: passed ? nil : "The self-test of the cipher failed."
            )
        }
        let initial = run()
        var unanswered = initial
        unanswered.status = .unhealthy
        unanswered.reason = "The cipher self-test did not end in time."
        unanswered.summary = "The self-test of the cipher did not end in time."
        unanswered.details = unanswered.details.map { $0.name == "testPassed" ? ($0.name, .boolean(false)) : $0 }
        return HealthCheck(
            "encryption",
            readiness: .requiredUnlisted,
            interval: .seconds(30),
            detailsArePublic: true,
            initial: initial,
            unanswered: unanswered,
            run: { run() }
        )
    }

    /// How much of its memory the process uses; above 90 % it counts as degraded.
    static func memory(reader: MemoryUsageReader) -> HealthCheck {
        let run = { @Sendable () -> HealthReport in
            do throws(MemoryUsageError) {
                let usage = try reader.read()
                return HealthReport(
                    status: usage.percentage > 90 ? .degraded : .healthy,
                    details: [
                        ("used", .integer(usage.usedMiB)),
                        ("total", .integer(usage.totalMiB)),
                        ("percentage", .integer(usage.percentage)),
                    ],
                    reason: usage.percentage > 90 ? "More than 90 % of the memory is used." : nil,
                    summary: usage.percentage > 90 ? "More than 90 % of the memory is used." : nil
                )
            } catch {
                return HealthReport(
                    status: .degraded,
                    details: [("used", .null), ("total", .null), ("percentage", .null)],
                    reason: error.description,
                    summary: "The memory usage could not be read."
                )
            }
        }
        return HealthCheck(
            "memory",
            interval: .seconds(5),
            observes: HealthCheck.Observation(measurement: "utilization", unit: "percent", detail: "percentage"),
            componentType: "system",
            detailsArePublic: true,
            initial: run(),
            unanswered: HealthReport(
                status: .degraded,
                details: [("used", .null), ("total", .null), ("percentage", .null)],
                reason: "The memory usage could not be read in time.",
                summary: "The memory usage could not be read in time."
            ),
            run: { run() }
        )
    }
}

extension DatabaseStatus {
    /// What it does to the server's health.
    fileprivate var health: HealthStatus {
        switch self {
        case .connected: .healthy
        case .disconnected: .degraded
        case .error: .unhealthy
        }
    }

    /// Why, for people outside: the error's kind, and nothing of what it names.
    fileprivate func summary(of problem: DatabaseError?) -> String? {
        switch self {
        case .connected: nil
        case .disconnected: "It cannot be reached."
        case .error: "It was reached, and it does not work: \(problem?.code.description ?? "the reason is unknown")."
        }
    }
}
