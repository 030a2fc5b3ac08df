// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedRuntime
import ServiceLifecycle

/// Two services in a group and no HTTP: what was begun is finished, whatever ends the process.
///
/// `lifecycle.run(services)` would do all that concerns the group; this is how a program keeps a group of its own.
@main
struct Main {
    static func main() async throws {
        // First of all: from here on a signal waits until somebody wants it.
        let signals = SignalListener()
        let environment = ProcessInfo.processInfo.environment
        // Not to standard error, where swift-log writes by itself: the crash guard turns what comes there into log records.
        LoggingSystem.bootstrap { StreamLogHandler.standardOutput(label: $0) }
        let logger = Logger(label: "service-group-example")

        let lifecycle = Lifecycle(
            configuration: ShutdownConfiguration(grace: .seconds(5), deadline: .seconds(30)),
            logger: logger
        )
        let (orders, sendOrder) = AsyncStream.makeStream(of: Void.self)
        signals.deliver { signal in
            switch signal {
            case .terminate: lifecycle.stop(.sigterm)
            case .interrupt: lifecycle.stop(.sigint)
            case .hangUp: sendOrder.yield()
            }
        }
        try CrashGuard.install(
            around: lifecycle,
            // A path here has the next start report a crash that nothing could contain.
            recordingIn: nil,
            // Only because no patient's name can be in a `fatalError` of this program.
            standardError: .logged,
            logger: logger
        )

        let services: [any Service] = [
            Ticker(
                duration: .milliseconds(environment["WORK_MS"].flatMap(Int.init) ?? 10),
                lifecycle: lifecycle,
                logger: logger
            ),
            Fragile(
                place: environment["TRAP"].flatMap(Fragile.Place.init) ?? .once,
                orders: orders,
                lifecycle: lifecycle,
                logger: logger
            ),
        ]
        // A service that ends has the others finish too, instead of cancelling what they are at.
        var configuration = ServiceGroupConfiguration(
            services: services.map {
                .init(
                    service: $0,
                    successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup
                )
            },
            // Signals are the lifecycle's.
            gracefulShutdownSignals: [],
            logger: logger
        )
        // The group asks its services to stop one after the other, and a trapped one never does. The lifecycle gives it up
        // after two seconds; until then the others shall have been asked.
        configuration.maximumGracefulShutdownDuration = .seconds(1)
        let group = ServiceGroup(configuration: configuration)
        let ended = AsyncStream.makeStream(of: Never.self)
        lifecycle.onCleanUp("services") {
            await group.triggerGracefulShutdown()
            for await _ in ended.stream {}
        }

        lifecycle.started()
        var failure: (any Error)?
        do { try await group.run() } catch { failure = error }
        if !lifecycle.phase.isShuttingDown { lifecycle.stop(.uncaughtException, because: failure) }
        ended.continuation.finish()
        // The lifecycle ends the process. Returning from here would end it with 0 before that.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
