// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import Logging
import MedRuntime
import NIOCore
import NIOPosix

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
            logger: logger
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
        stalls.watchTaskPool()
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
        // The end of main: the lifecycle ends the process, after the services. By then nothing is in flight any more;
        // Hummingbird writes its last answers and closes its connections.
        await lifecycle.run([application, engine, StartUp(greetings: greetings, engine: engine, lifecycle: lifecycle)])
    }
}
