// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle

/// A service whose end begins a shutdown instead of ending the process: what is in flight may need the other services.
struct SupervisedService: Service {
    /// A service returned although nobody asked it to.
    struct EndedUnexpectedly: Error {}

    let base: any Service
    let lifecycle: Lifecycle
    let logger: Logger

    func run() async throws {
        var failure: any Error = EndedUnexpectedly()
        do {
            try await self.base.run()
            if Task.isShuttingDownGracefully || Task.isCancelled { return }
        } catch {
            if error is CancellationError, Task.isShuttingDownGracefully || Task.isCancelled { return }
            failure = error
        }
        self.logger.critical(
            "A service ended",
            metadata: [
                "service.type": "\(String(reflecting: type(of: self.base)))",
                "error.type": "\(String(reflecting: type(of: failure)))",
            ]
        )
        self.lifecycle.stop(.uncaughtException, because: failure)
        try? await gracefulShutdown()
    }
}
