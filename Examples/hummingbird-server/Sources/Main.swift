// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import Logging
import MedRuntime
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Hummingbird's own server, with the lifecycle, the probes and the crash guard of MedRuntime.
@main
struct Main {
    static func main() async throws {
        // First of all: from here on a signal waits until somebody wants it.
        let signals = SignalListener()
        let startedAt = SuspendingClock.now
        let environment = ProcessInfo.processInfo.environment
        // Not to standard error, where swift-log writes by itself: the crash guard turns what comes there into log records.
        LoggingSystem.bootstrap { StreamLogHandler.standardOutput(label: $0) }
        let logger = Logger(label: "hummingbird-server-example")

        let lifecycle = Lifecycle(
            configuration: ShutdownConfiguration(grace: .seconds(5), deadline: .seconds(30)),
            logger: logger,
            lastWords: { _ in },
            exit: { _exit($0) }
        )
        signals.deliver { signal in
            switch signal {
            case .terminate: lifecycle.stop(.sigterm)
            case .interrupt: lifecycle.stop(.sigint)
            case .hangUp: break
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

        let stalls = StallWatch(limit: .seconds(10), logger: logger)
        stalls.watch("task pool") { _ in
            CrashGuard.taskPoolStacks()
        } beat: { answered in
            Task { answered() }
        }
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: max(1, System.coreCount / 2))
        for (index, loop) in loops.makeIterator().enumerated() {
            loop.execute { _ = CrashGuard.prepareEventLoopThread() }
            stalls.watch("event loop \(index)") { answered in loop.execute(answered) }
        }
        stalls.start()

        let greetings = Greetings(loadingTakes: .milliseconds(environment["START_MS"].flatMap(Int.init) ?? 0))
        let engine = HealthEngine(checks: [greetings.check], logger: logger)
        let probes = Probes(
            lifecycle: lifecycle,
            engine: engine,
            stalls: stalls,
            environment: "development",
            startedAt: startedAt,
            logger: logger
        )
        let application = Application(
            responder: LifecycleResponder(
                base: Routes(greetings: greetings).router.buildResponder(),
                lifecycle: lifecycle,
                probes: probes
            ),
            configuration: ApplicationConfiguration(
                address: .hostname("127.0.0.1", port: environment["PORT"].flatMap(Int.init) ?? 8080)
            ),
            onServerRunning: { logger.notice("serving on port \($0.localAddress?.port ?? 0)") },
            eventLoopGroupProvider: .shared(loops),
            logger: logger
        )
        let services: [any Service] = [
            application, engine, StartUp(greetings: greetings, engine: engine, lifecycle: lifecycle),
        ]
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                // A service that ends has the others finish too, instead of cancelling what they are at.
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
        )
        let ended = AsyncStream.makeStream(of: Never.self)
        // What is registered last is done first: the services end, then the log says everything about traps.
        lifecycle.onCleanUp("services") {
            // Nothing is in flight any more; Hummingbird writes its last answers and closes its connections.
            await group.triggerGracefulShutdown()
            for await _ in ended.stream {}
        }

        var failure: (any Error)?
        do { try await group.run() } catch { failure = error }
        if !lifecycle.phase.isShuttingDown { lifecycle.stop(.uncaughtException, because: failure) }
        ended.continuation.finish()
        // The lifecycle ends the process. Returning from here would end it with 0 before that.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
