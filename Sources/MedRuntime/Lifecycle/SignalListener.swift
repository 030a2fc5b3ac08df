// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Foundation

/// The process's signals, from the first line of `main` to its end.
///
/// ``init()`` catches them, so that one that comes before anyone listens waits in a pipe instead of ending the process
/// (or, as process 1 of a container, of being discarded: the kernel drops a signal that process 1 does not handle).
/// ``deliver(to:)`` then hands each of them over on a plain thread.
///
/// Blocking them for a thread that waits would be simpler, but an asynchronous `main` leaves the main thread to
/// Dispatch, which unblocks every signal there.
public struct SignalListener: Sendable {
    /// A signal that the server acts on.
    public enum Signal: Sendable {
        case terminate
        case interrupt
        case hangUp
    }

    private let descriptor: Int32

    /// Catches SIGTERM, SIGINT and SIGHUP, and ignores SIGPIPE. Make one only, first of all.
    public init() {
        self.descriptor = med_signal_pipe_open()
        precondition(self.descriptor >= 0, "no pipe for signals: the process may open no files at all")
    }

    /// Gives the signals back to the system's default, for a command that is simply ended by them.
    public func release() {
        med_signal_pipe_release()
        // One that came meanwhile shall do what it would have done.
        _ = fcntl(self.descriptor, F_SETFL, O_NONBLOCK)
        while let number = self.next() { raise(Int32(number)) }
    }

    /// Calls `handler` for every signal, those that came before first, on a thread of its own, as long as the process lives.
    public func deliver(to handler: @escaping @Sendable (Signal) -> Void) {
        OwnThread.start("med-signals") {
            while let number = self.next() {
                switch Int32(number) {
                case SIGTERM: handler(.terminate)
                case SIGINT: handler(.interrupt)
                case SIGHUP: handler(.hangUp)
                default: break
                }
            }
        }
    }

    private func next() -> UInt8? {
        var number: UInt8 = 0
        while true {
            let count = read(self.descriptor, &number, 1)
            if count == 1 { return number }
            guard count < 0, errno == EINTR else { return nil }
        }
    }
}
