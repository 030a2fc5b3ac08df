// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedSystem
import Foundation

/// One connection of a ``Load``, which belongs to the load's thread.
///
///     none ──send──▶ connecting ──▶ waiting ──answer──▶ idle ──send──▶ waiting
///     any ──the peer ends it, or it is not kept──▶ none
final class LoadConnection {
    /// A request on its way.
    struct Request {
        let sequence: Int
        let due: ContinuousClock.Instant
        var wasRetried = false
    }

    /// What an event on the socket came to.
    enum Progress {
        /// It goes on.
        case pending
        /// The request is over, and the connection free.
        case ended(Request, LoadSample.Fate)
        /// A kept connection was closed before any byte of the answer: nobody may have seen the request.
        case unseen(Request)
    }

    private enum Phase { case none, connecting, waiting, idle }

    /// Its place among the connections.
    let index: Int
    /// The socket; -1 when there is none.
    private(set) var descriptor: Int32 = -1
    private let epoll: Int32
    private let isKept: Bool
    private var phase = Phase.none
    private var isReused = false
    private var request: Request?
    private var text = ""
    private var received = AnswerScanner(capacity: 4096)

    init(index: Int, isKept: Bool, epoll: Int32) {
        self.index = index
        self.isKept = isKept
        self.epoll = epoll
    }

    deinit { if self.descriptor >= 0 { close(self.descriptor) } }

    /// What it works on.
    var current: Request? { self.request }

    /// Sends a request, to `port` if there is no connection yet.
    func send(_ request: Request, _ text: String, port: Int) -> Progress {
        self.request = request
        self.text = text
        self.isReused = self.phase == .idle
        return self.isReused ? self.write() : self.connect(port)
    }

    /// Goes on after something has happened on the socket.
    func proceed() -> Progress {
        switch self.phase {
        case .none: return .pending
        case .connecting:
            let number = self.socketError()
            guard number == 0 else { return self.end(number == ECONNREFUSED ? .refused : .closed) }
            self.watch(EPOLLIN)
            return self.write()
        case .waiting: return self.receive()
        case .idle:
            // Its end, or a byte that nobody asked for, which makes it as useless.
            self.drop()
            return .pending
        }
    }

    /// Calls the request missing.
    func giveUp() -> Progress { self.end(.missing) }

    private func connect(_ port: Int) -> Progress {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        self.descriptor = socket(AF_INET, Int32(kind), 0)
        guard self.descriptor >= 0 else { return self.end(.refused) }
        var yes: Int32 = 1
        setsockopt(self.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        let result = Loopback.connect(self.descriptor, port: port)
        guard result == 0 || result == EINPROGRESS else { return self.end(.refused) }
        self.phase = .connecting
        var event = epoll_event()
        event.events = (result == 0 ? EPOLLIN : EPOLLOUT).rawValue
        event.data.u64 = UInt64(self.index)
        epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.descriptor, &event)
        return result == 0 ? self.write() : .pending
    }

    private func watch(_ events: EPOLL_EVENTS) {
        var event = epoll_event()
        event.events = events.rawValue
        event.data.u64 = UInt64(self.index)
        epoll_ctl(self.epoll, EPOLL_CTL_MOD, self.descriptor, &event)
    }

    private func write() -> Progress {
        self.phase = .waiting
        self.received.reset()
        let count = self.text.utf8.count
        // So short a request fits into the socket's buffer, or the connection is at its end.
        guard Foundation.send(self.descriptor, self.text, count, Int32(MSG_NOSIGNAL)) == count else {
            return self.closed()
        }
        return .pending
    }

    private func receive() -> Progress {
        let count = self.received.receive(from: self.descriptor)
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return .pending }
        guard count > 0 else { return self.received.isEmpty ? self.closed() : self.end(.cut) }
        switch self.received.scan() {
        case .incomplete: return .pending
        case .malformed: return self.end(.malformed)
        case .complete(let answer):
            let fate = LoadSample.Fate.answered(UInt16(clamping: answer.status))
            guard self.isKept, !answer.saysClose, let request = self.request else { return self.end(fate) }
            self.phase = .idle
            self.request = nil
            return .ended(request, fate)
        }
    }

    private func closed() -> Progress {
        guard self.isReused, let request = self.request, !request.wasRetried else { return self.end(.closed) }
        self.drop()
        self.request = nil
        return .unseen(request)
    }

    private func end(_ fate: LoadSample.Fate) -> Progress {
        self.drop()
        guard let request = self.request else { return .pending }
        self.request = nil
        return .ended(request, fate)
    }

    /// Closes the socket, which takes it out of the epoll set.
    private func drop() {
        if self.descriptor >= 0 { close(self.descriptor) }
        self.descriptor = -1
        self.phase = .none
    }

    private func socketError() -> Int32 {
        var number: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(self.descriptor, SOL_SOCKET, SO_ERROR, &number, &size)
        return number
    }
}
