// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Logging
import MedRuntime
import Synchronization

/// What a signal does to `serve`: it begins the shutdown as soon as there is a lifecycle, which is almost at once.
final class StopSignal: Sendable {
    /// How long a signal waits for a lifecycle: the settings may be in a pipe that nobody writes to.
    private static let patience = DispatchTimeInterval.seconds(1)

    private struct State {
        var target: (lifecycle: Lifecycle, logger: Logger)?
        var waiting: [SignalListener.Signal] = []
        var reload: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// From here on, signals are the lifecycle's, those that came before first.
    func attach(to lifecycle: Lifecycle, logger: Logger) {
        let waiting = self.state.withLock { state in
            state.target = (lifecycle, logger)
            defer { state.waiting = [] }
            return state.waiting
        }
        for signal in waiting { self.received(signal) }
    }

    /// Calls `reload` at SIGHUP, on the thread of the signals, which it must not hold: the next signal may be one to stop.
    func onHangUp(_ reload: @escaping @Sendable () -> Void) { self.state.withLock { $0.reload = reload } }

    /// Called on the thread of the signals.
    func received(_ signal: SignalListener.Signal) {
        let target = self.state.withLock { state in
            if state.target == nil { state.waiting.append(signal) }
            return state.target
        }
        switch signal {
        case .hangUp:
            let reload = self.state.withLock { $0.reload }
            target?.logger.info("SIGHUP received, reading the log levels and the TLS files again")
            reload?()
        case .terminate, .interrupt:
            if let target {
                target.lifecycle.stop(signal == .terminate ? .sigterm : .sigint)
            } else {
                DispatchQueue.global().asyncAfter(deadline: .now() + Self.patience) {
                    // Nothing is open yet, so there is nothing to lose.
                    if self.state.withLock({ $0.target == nil }) { _exit(ExitCode.graceful) }
                }
            }
        }
    }
}
