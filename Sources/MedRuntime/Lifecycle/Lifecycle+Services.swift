// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
public import ServiceLifecycle

extension Lifecycle {
    /// Runs services for as long as the process lives: the last line of `main`, which must not return before the last words.
    ///
    /// They are ended in the clean-up, when nothing is in flight any more, the last one first; what was registered with
    /// ``onCleanUp(_:_:)`` before is done after that. One that ends by itself, or throws, begins a shutdown
    /// (`UNCAUGHT_EXCEPTION`) in which the others go on until the clean-up.
    public func run(_ services: [any Service]) async -> Never {
        await self.runUntilCleanedUp(services)
        while true { try? await Task.sleep(for: .seconds(3600)) }
    }

    /// The same, and returns when the services have ended.
    package func runUntilCleanedUp(_ services: [any Service]) async {
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map {
                    .init(service: SupervisedService(base: $0, lifecycle: self, logger: self.logger))
                },
                gracefulShutdownSignals: [],
                logger: Logger(label: "service-group") { _ in SwiftLogNoOpLogHandler() }
            )
        )
        let ended = AsyncStream.makeStream(of: Never.self)
        self.onCleanUp("services") {
            await group.triggerGracefulShutdown()
            for await _ in ended.stream {}
        }
        // What a service throws has begun a shutdown already, and what the group throws adds nothing to it.
        try? await group.run()
        ended.continuation.finish()
    }
}
