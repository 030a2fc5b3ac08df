// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Logging

/// The queue of a ``LogWriter`` and the thread that empties it.
///
///     idle ──a line, close──▶ writing ──the reader left──▶ broken
///       ▲                     │     │
///       └──all is written─────┘     └──all is written, and closed──▶ the thread ends
///
/// Apart from the writer so that the thread keeps only the pump alive: when the writer goes, the pump is told to finish.
/// The lock is held for memory operations alone, never for a `write(2)`: whoever logs or flushes can always take it.
final class LogPump: Sendable {
    /// Builds the line that says how many were dropped.
    typealias Notice = @Sendable (LogNotice) -> [UInt8]

    private enum Phase { case idle, writing, broken }

    private struct State {
        var queue: LogQueue
        var phase = Phase.writing
        var isClosed = false
        /// Whether the last write failed: then a notice of dropped lines waits for one that works.
        var isFailing = false
        var dropNotice: Notice?
        var reportedDropCount = 0
        var flushes: [Flush] = []

        /// Wakes the flushes whose lines the writer is done with.
        mutating func wakeFlushes() {
            let finished = self.queue.finishedLineCount
            for flush in self.flushes where flush.target <= finished { flush.done.signal() }
            self.flushes.removeAll { $0.target <= finished }
        }
    }

    /// A thread that waits in ``flush(timeout:)``.
    private final class Flush: Sendable {
        let target: Int
        let done = DispatchSemaphore(value: 0)

        init(target: Int) { self.target = target }
    }

    private enum Work {
        case write([LogQueue.Chunk])
        case sleep
        case end
    }

    private let fileDescriptor: Int32
    private let state: LogLock<State>
    private let wake = DispatchSemaphore(value: 0)

    init(fileDescriptor: Int32, capacity: Int, reserve: Int) {
        self.fileDescriptor = fileDescriptor
        self.state = LogLock(State(queue: LogQueue(capacity: capacity, reserve: reserve)))
    }

    // MARK: Any thread

    var droppedLineCount: Int { self.state.withLock { $0.queue.droppedLineCount } }

    func write(_ line: UnsafeBufferPointer<UInt8>, level: Logger.Level) {
        // Lent by the caller; the queue copies it.
        let isAsleep = self.state.withLock { state in
            guard state.phase != .broken else {
                state.queue.refuse()
                return false
            }
            state.queue.append(terminated: line, level: level)
            defer { state.phase = .writing }
            return state.phase == .idle
        }
        if isAsleep { self.wake.signal() }
    }

    func flush(timeout: Duration) -> Bool {
        let (flush, lostBefore) = self.state.withLock { state in
            let lost = state.queue.lostLineCount
            guard state.phase == .writing else { return (Flush?.none, lost) }
            let flush = Flush(target: state.queue.acceptedLineCount)
            state.flushes.append(flush)
            return (flush, lost)
        }
        if let flush, flush.done.wait(timeout: .now() + timeout.dispatchInterval) == .timedOut {
            self.state.withLock { state in state.flushes.removeAll { $0 === flush } }
            return false
        }
        return self.state.withLock { !$0.isFailing && $0.queue.lostLineCount == lostBefore }
    }

    func setNotice(_ notice: @escaping Notice) {
        self.state.withLock { state in
            if state.dropNotice == nil { state.dropNotice = notice }
        }
    }

    /// Ends the thread when everything is written.
    func close() {
        let isAsleep = self.state.withLock { state in
            state.isClosed = true
            guard state.phase == .idle else { return false }
            state.phase = .writing
            return true
        }
        if isAsleep { self.wake.signal() }
    }

    // MARK: The writer thread

    /// Starts the thread: a plain one, since it may block for as long as nobody reads.
    func start() {
        var thread = pthread_t()
        // The thread owns this reference to the pump and gives it back when it starts.
        let pump = Unmanaged.passRetained(self).toOpaque()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                // The one counterpart of `passRetained` above.
                let pump = Unmanaged<LogPump>.fromOpaque(argument).takeRetainedValue()
                pump.run()
                return nil
            }, pump)
        precondition(
            failure == 0, "The thread that writes the log cannot be started: error \(failure) of pthread_create.")
        pthread_detach(thread)
    }

    private func run() {
        Self.blockSIGPIPE()
        var output = LogOutput(fileDescriptor: self.fileDescriptor)
        while true {
            switch self.nextWork() {
            case .sleep:
                self.wake.wait()
            case .end:
                return
            case .write(var chunks):
                for index in chunks.indices {
                    // Taken out of the array, so that the queue can use its storage again.
                    var chunk = LogQueue.Chunk()
                    swap(&chunk, &chunks[index])
                    let lost = output.write(chunk.bytes)
                    self.state.withLock { $0.queue.finish(&chunk, lostLineCount: lost) }
                }
                if output.health == .working { self.reportDrops(to: &output) }
                self.settle(output.health)
                // More lines are likely: they gather while this thread, still awake to its callers, rests. A busy server
                // pays for a thousand wakes and writes a second at most, not for one of each a line.
                usleep(1000)
            }
        }
    }

    private func nextWork() -> Work {
        self.state.withLock { state in
            if state.phase == .broken { return .end }
            let hasNews = state.queue.droppedLineCount > state.reportedDropCount && state.dropNotice != nil
            guard state.queue.isEmpty, !hasNews || state.isFailing else { return .write(state.queue.takeAll()) }
            // A flush that came since the last write has nothing to wait for.
            state.wakeFlushes()
            if state.isClosed { return .end }
            state.phase = .idle
            return .sleep
        }
    }

    private func reportDrops(to output: inout LogOutput) {
        let (notice, dropped, reported) = self.state.withLock {
            ($0.dropNotice, $0.queue.droppedLineCount, $0.reportedDropCount)
        }
        guard let notice, dropped > reported else { return }
        // The notice is built and written without the lock.
        guard output.write(notice(.dropped(lines: dropped - reported, errors: 0)) + [UInt8(ascii: "\n")]) == 0 else {
            return
        }
        self.state.withLock { $0.reportedDropCount = dropped }
    }

    /// Takes note of how the writes went, and wakes the flushes that waited for them.
    private func settle(_ health: LogOutput.Health) {
        self.state.withLock { state in
            state.isFailing = health != .working
            if health == .broken {
                state.phase = .broken
                state.queue.discardAll()
            }
            state.wakeFlushes()
        }
    }

    /// `SIGPIPE` goes to the thread that wrote: blocked here, it can never end the process, and the write reports `EPIPE`.
    /// Other signals stay: Swift's crash reports stop every thread with one.
    private static func blockSIGPIPE() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

extension Duration {
    /// For Dispatch, whose time ends after some centuries.
    fileprivate var dispatchInterval: DispatchTimeInterval {
        .nanoseconds(Int(min(max(self, .zero), .seconds(365 * 86_400)) / .nanoseconds(1)))
    }
}
