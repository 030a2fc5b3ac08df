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
/// The lock is held for memory operations alone, never for a system call: whoever logs or flushes can always take it.
///
/// The thread never waits in a `write(2)` to a pipe, but in a `poll(2)` for it and for callers who want something: so it is
/// the same thread that moves errors to the ``LogSpillFile`` while nobody reads (``LogDrain``). With a broken output it
/// goes on doing that, if there is such a file, and ends otherwise.
final class LogPump: Sendable {
    /// Builds the line of what the writer has to say.
    typealias NoticeLine = @Sendable (LogNotice) -> [UInt8]

    private enum Phase { case idle, writing }

    private struct State {
        var queue: LogQueue
        var phase = Phase.writing
        var isBroken = false
        var isClosed = false
        /// Whether the last write failed: then notices wait for one that works.
        var isFailing = false
        /// Whether the thread waits for the output, or rests, and whether somebody has called it meanwhile.
        var isStalled = false
        var isResting = false
        var isCalled = false
        /// Whether there is a spill file, and whether it takes more at the moment.
        var hasSpillFile: Bool
        var isSpillBlocked = false
        var spilledLineCount = 0
        var recoveredLineCount = 0
        var noticeLine: NoticeLine?
        var notices: [LogNotice] = []
        var reportedDropCount = 0
        var reportedErrorCount = 0
        var flushes: [Flush] = []

        /// Wakes the flushes whose lines the writer is done with.
        mutating func wakeFlushes() {
            let finished = self.queue.finishedLineCount
            for flush in self.flushes where flush.target <= finished { flush.done.signal() }
            self.flushes.removeAll { $0.target <= finished }
        }

        /// Whether the thread has to be called, now that a line of this level was queued.
        mutating func needsCall(_ level: Logger.Level) -> Bool {
            if self.phase == .idle {
                self.phase = .writing
                return true
            }
            guard !self.isCalled else { return false }
            if self.isResting {
                // An error may be the last that is heard of the process; and what fills a chunk has nothing to wait for.
                self.isCalled = level >= .error || self.queue.hasSeveralChunks
            } else if self.isStalled {
                self.isCalled = self.hasSpillFile && !self.isSpillBlocked && self.queue.usesReserve
            }
            return self.isCalled
        }
    }

    /// A thread that waits in ``flush(timeout:)``.
    private final class Flush: Sendable {
        let target: Int
        let done = DispatchSemaphore(value: 0)

        init(target: Int) { self.target = target }
    }

    enum Work {
        case write(LogQueue.Entry)
        case notices
        case secure
        case sleep
        case end
    }

    private let fileDescriptor: Int32
    private let spillPath: String?
    private let spillLimit: Int
    /// How long lines may gather, in milliseconds. It is how late a line below `error` can be, and what `kill -9` can cost of them.
    private let restMilliseconds: Int32
    private let state: LogLock<State>
    /// A pipe to the thread, which can wait for it and for the output at once.
    private let bell: (readEnd: Int32, writeEnd: Int32)

    init(
        fileDescriptor: Int32, capacity: Int, reserve: Int, spillPath: String?, spillLimit: Int, restMilliseconds: Int32
    ) {
        self.fileDescriptor = fileDescriptor
        self.spillPath = spillPath
        self.spillLimit = spillLimit
        self.restMilliseconds = restMilliseconds
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "The log cannot be started: error \(errno) of pipe.")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // Whoever rings never waits: a pipe that is full rings already.
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        self.bell = (ends[0], ends[1])
        self.state = LogLock(
            State(queue: LogQueue(capacity: capacity, reserve: reserve), hasSpillFile: spillPath != nil))
    }

    deinit {
        Glibc.close(self.bell.readEnd)
        Glibc.close(self.bell.writeEnd)
    }

    // MARK: Any thread

    var droppedLineCount: Int { self.state.withLock { $0.queue.droppedLineCount } }
    var droppedErrorCount: Int { self.state.withLock { $0.queue.droppedErrorCount } }
    var spilledLineCount: Int { self.state.withLock { $0.spilledLineCount } }
    var recoveredLineCount: Int { self.state.withLock { $0.recoveredLineCount } }

    func write(_ line: UnsafeBufferPointer<UInt8>, level: Logger.Level) {
        // Lent by the caller; the queue copies it.
        let isNeeded = self.state.withLock { state in
            if state.isBroken, !state.hasSpillFile || level < .error {
                state.queue.refuse(level: level)
                return false
            }
            state.queue.append(terminated: line, level: level)
            return state.needsCall(level)
        }
        if isNeeded { self.ring() }
    }

    func flush(timeout: Duration) -> Bool {
        let (flush, lostBefore, isWaiting) = self.state.withLock { state in
            let lost = state.queue.lostLineCount
            guard state.phase == .writing else { return (Flush?.none, lost, false) }
            let flush = Flush(target: state.queue.acceptedLineCount)
            state.flushes.append(flush)
            // Nobody knows whether there is a later: what the spill file did not take, it is offered once more.
            state.isSpillBlocked = false
            return (flush, lost, state.isStalled || state.isResting)
        }
        // While nobody reads, the thread uses the time of the flush to move errors to the spill file.
        if isWaiting { self.ring() }
        if let flush, flush.done.wait(timeout: .now() + timeout.dispatchInterval) == .timedOut {
            self.state.withLock { state in state.flushes.removeAll { $0 === flush } }
            return false
        }
        return self.state.withLock { !$0.isFailing && !$0.isBroken && $0.queue.lostLineCount == lostBefore }
    }

    func setNotice(_ line: @escaping NoticeLine) {
        let isNeeded = self.state.withLock { state in
            guard state.noticeLine == nil else { return false }
            state.noticeLine = line
            guard state.phase == .idle, !state.notices.isEmpty else { return false }
            state.phase = .writing
            return true
        }
        if isNeeded { self.ring() }
    }

    /// Ends the thread when everything is written.
    func close() {
        let isAsleep = self.state.withLock { state in
            state.isClosed = true
            guard state.phase == .idle else { return state.isResting }
            state.phase = .writing
            return true
        }
        if isAsleep { self.ring() }
    }

    /// Calls the thread, whatever it waits for.
    private func ring() {
        var ring: UInt8 = 1
        _ = Glibc.write(self.bell.writeEnd, &ring, 1)
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
        Self.blockSignals()
        let drain = LogDrain(pump: self, fileDescriptor: self.fileDescriptor)
        if let path = self.spillPath { drain.openSpillFile(path, limit: self.spillLimit) }
        var chunksSinceNotices = 0
        while true {
            switch self.nextWork() {
            case .sleep:
                self.waitForBell()
            case .end:
                return
            case .secure:
                let hasRoom = drain.secure()
                self.state.withLock { state in
                    // One that came in this moment goes to the file as well.
                    if hasRoom, state.queue.nextToSecure() != nil { return }
                    state.queue.discardAll()
                    state.wakeFlushes()
                }
            case .notices:
                drain.writeNotices()
                self.settle(drain.health)
            case .write(let entry):
                drain.write(entry)
                chunksSinceNotices += 1
                let isDrained = self.isDrained
                // Also in the middle of a flood that has no end.
                if isDrained || chunksSinceNotices >= 64 {
                    drain.writeNotices()
                    chunksSinceNotices = 0
                }
                self.settle(drain.health)
                if drain.health == .broken { continue }
                if isDrained { self.rest() }
            }
        }
    }

    /// Whether nothing waits.
    private var isDrained: Bool { self.state.withLock { $0.queue.isEmpty } }

    private func nextWork() -> Work {
        self.state.withLock { state in
            if state.isBroken {
                if !state.hasSpillFile {
                    // A flush has nobody left to wait for, neither one that came just now nor a later one.
                    state.wakeFlushes()
                    state.phase = .idle
                    return .end
                }
                if !state.queue.isEmpty { return .secure }
            } else if let entry = state.queue.take() {
                return .write(entry)
            } else if state.noticeLine != nil, !state.isFailing,
                state.queue.droppedLineCount > state.reportedDropCount || !state.notices.isEmpty
            {
                return .notices
            }
            // A flush that came since the last write has nothing to wait for.
            state.wakeFlushes()
            if state.isClosed { return .end }
            state.phase = .idle
            return .sleep
        }
    }

    /// Lets lines gather for a while, since more are likely. So a busy server pays for a hundred wakes and writes a second, not for one of
    /// each a line: what a thread costs that gets up a thousand times a second, on a machine that has no processor for it, is the time of
    /// the others (measured: 6 µs a request with a rest of 1 ms, 3 µs with one of 10 ms).
    private func rest() {
        let isNeeded = self.state.withLock { state in
            guard state.flushes.isEmpty, !state.isClosed else { return false }
            state.isResting = true
            state.isCalled = false
            return true
        }
        guard isNeeded else { return }
        var request = pollfd(fd: self.bell.readEnd, events: Int16(POLLIN), revents: 0)
        poll(&request, 1, self.restMilliseconds)
        if request.revents != 0 { self.waitForBell() }
        self.state.withLock { $0.isResting = false }
    }

    private func waitForBell() {
        // All rings at once: they say the same.
        var rings = [UInt8](repeating: 0, count: 4096)
        while read(self.bell.readEnd, &rings, rings.count) < 0, errno == EINTR {}
    }

    /// Takes note of how the writes went, and wakes the flushes that waited for them.
    private func settle(_ health: LogOutput.Health) {
        self.state.withLock { state in
            state.isFailing = health != .working
            if health == .broken {
                state.isBroken = true
                state.queue.discardAll()
            }
            state.wakeFlushes()
        }
    }

    /// `SIGPIPE` and `SIGXFSZ` go to the thread that wrote: blocked here, they can never end the process, and the write
    /// reports `EPIPE` or `EFBIG`. Other signals stay: Swift's crash reports stop every thread with one.
    private static func blockSignals() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        sigaddset(&signals, SIGXFSZ)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

// MARK: For the drain, which is the thread

extension LogPump {
    /// Waits until the output takes more; meanwhile does what callers want.
    func waitForOutput(orServe serve: () -> Void) {
        while true {
            let isWanted = self.state.withLock { state in
                state.isStalled = true
                state.isCalled = false
                return state.hasSpillFile && !state.isSpillBlocked
                    && (state.queue.usesReserve || !state.flushes.isEmpty)
            }
            if isWanted { serve() }
            var requests = [
                pollfd(fd: self.fileDescriptor, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: self.bell.readEnd, events: Int16(POLLIN), revents: 0),
            ]
            poll(&requests, 2, -1)
            if requests[1].revents != 0 { self.waitForBell() }
            guard requests[0].revents == 0 else { break }
        }
        self.state.withLock { $0.isStalled = false }
    }

    func withQueue<Result: Sendable>(_ body: (inout LogQueue) -> Result) -> Result {
        self.state.withLock { body(&$0.queue) }
    }

    func spilled(_ lineCount: Int) {
        self.state.withLock { $0.spilledLineCount += lineCount }
    }

    func recovered(_ lineCount: Int, damaged: Int) {
        self.state.withLock { state in
            state.recoveredLineCount += lineCount
            state.notices.append(.recovered(lines: lineCount, damaged: damaged))
        }
    }

    func blockSpill(_ isBlocked: Bool) {
        self.state.withLock { $0.isSpillBlocked = isBlocked }
    }

    func spillIsUnusable(_ reason: String, forGood: Bool) {
        self.state.withLock { state in
            if forGood { state.hasSpillFile = false }
            state.notices.append(.spillUnusable(reason: reason))
        }
    }

    /// The lines that are due; they count as written when ``reported(_:)`` is called.
    func dueNotices() -> (line: NoticeLine, notices: [LogNotice], dropped: Int, errors: Int)? {
        self.state.withLock { state in
            guard let line = state.noticeLine else { return nil }
            let dropped = state.queue.droppedLineCount
            let errors = state.queue.droppedErrorCount
            var notices = state.notices
            if dropped > state.reportedDropCount {
                notices.append(
                    .dropped(lines: dropped - state.reportedDropCount, errors: errors - state.reportedErrorCount))
            }
            return notices.isEmpty ? nil : (line, notices, dropped, errors)
        }
    }

    func reported(_ noticeCount: Int, dropped: Int, errors: Int) {
        self.state.withLock { state in
            state.notices.removeFirst(min(noticeCount, state.notices.count))
            state.reportedDropCount = dropped
            state.reportedErrorCount = errors
        }
    }
}

extension Duration {
    /// For Dispatch, whose time ends after some centuries.
    fileprivate var dispatchInterval: DispatchTimeInterval {
        .nanoseconds(Int(min(max(self, .zero), .seconds(365 * 86_400)) / .nanoseconds(1)))
    }
}
