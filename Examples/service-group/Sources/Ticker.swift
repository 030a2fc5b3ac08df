// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedRuntime
import ServiceLifecycle

/// Does a piece of work every 50 ms.
struct Ticker: Service {
    /// How long a piece takes.
    let duration: Duration
    let lifecycle: Lifecycle
    let logger: Logger

    func run() async throws {
        for number in 1... {
            do {
                // A shutdown waits for it, and begins no other.
                try await self.lifecycle.withWork("tick") { try await self.work(number) }
                try await Task.sleep(for: .milliseconds(50))
            } catch LifecycleError.shuttingDown as LifecycleError {
                // Ending now would have the group end the others before it is their turn.
                return try await gracefulShutdown()
            }
        }
    }

    private func work(_ number: Int) async throws {
        self.logger.info("Work begun", metadata: ["number": "\(number)"])
        try await Task.sleep(for: self.duration)
        self.logger.info("Work done", metadata: ["number": "\(number)"])
    }
}
