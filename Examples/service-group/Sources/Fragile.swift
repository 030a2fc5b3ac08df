// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedRuntime
import ServiceLifecycle

/// Traps when it gets an order, in a piece of its work or in `run()` itself.
struct Fragile: Service {
    /// Where it traps: the value of `TRAP`.
    enum Place: String {
        /// In work that went through the lifecycle: whoever waits for it is told.
        case once
        /// In the service itself: nobody can be told, and the process ends all the same.
        case service
    }

    let place: Place
    let orders: AsyncStream<Void>
    let lifecycle: Lifecycle
    let logger: Logger

    func run() async throws {
        for await _ in self.orders.cancelOnGracefulShutdown() {
            switch self.place {
            case .service:
                Self.trap()
            case .once:
                do {
                    try await self.lifecycle.withWork("fragile work") { Self.trap() }
                } catch LifecycleError.trapped as LifecycleError {
                    // Time to answer whoever asked for it; the shutdown has begun already.
                    self.logger.error("The work is lost, the service goes on")
                }
            }
        }
    }

    private static func trap() {
        let numbers: [Int] = []
        _ = numbers[numbers.count]
    }
}
