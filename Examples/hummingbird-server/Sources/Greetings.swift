// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import MedRuntime
import Synchronization

/// Stands for what a server needs before it can serve, such as a database: it takes its time to come, and has a check.
final class Greetings: Sendable {
    private let loadingTime: Duration
    private let loaded = Mutex<[String]>([])

    init(loadingTakes loadingTime: Duration) { self.loadingTime = loadingTime }

    func load() async throws {
        try await Task.sleep(for: self.loadingTime)
        self.loaded.withLock { $0 = ["hello", "good morning"] }
    }

    func any() throws -> String {
        guard let greeting = self.loaded.withLock({ $0.randomElement() }) else { throw HTTPError(.serviceUnavailable) }
        return greeting
    }

    /// `/ready` is 503 while there are none.
    var check: HealthCheck {
        HealthCheck(
            "greetings",
            readiness: .required,
            initial: HealthReport(status: .unhealthy, reason: "They are not loaded yet."),
            unanswered: HealthReport(status: .unhealthy, reason: "Nobody answered whether they are loaded.")
        ) {
            let count = self.loaded.withLock { $0.count }
            return HealthReport(
                status: count > 0 ? .healthy : .unhealthy,
                details: [("count", .integer(count))],
                reason: count > 0 ? nil : "None is loaded."
            )
        }
    }
}
