// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime
import ServiceLifecycle

/// What happens between the open port and the first `/ready` of 200.
///
/// It is a service, so that `/live` is answered meanwhile and a SIGTERM ends it.
struct StartUp: Service {
    let greetings: Greetings
    let engine: HealthEngine
    let lifecycle: Lifecycle

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await self.greetings.load() }
        // The check would find out by itself, some seconds later.
        await self.engine.runNow("greetings")
        self.lifecycle.started()
        // A service that ends would end the group.
        try await gracefulShutdown()
    }
}
