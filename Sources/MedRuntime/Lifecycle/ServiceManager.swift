// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The service manager that started the process, such as systemd with `Type=notify`: it is told when the port is open, when the
/// shutdown begins, and, as long as nothing is stalled, that the process moves.
///
/// The protocol is that of `sd_notify`: datagrams to the Unix socket that `NOTIFY_SOCKET` names, and heartbeats if `WATCHDOG_USEC`
/// asks for them. Nothing of systemd is linked, and without the variables there is no manager.
///
/// ```swift
/// let manager = ServiceManager(environment: ProcessInfo.processInfo.environment)
/// manager?.follow(lifecycle, stalls)   // STOPPING, STATUS and WATCHDOG from here on
/// manager?.ready()                     // when the port is open
/// ```
///
/// No message waits for the manager: one that it has no room for is kept, and tried again on the watchdog's thread.
public final class ServiceManager: Sendable {
    private struct State {
        var unsent: [String] = []
        var sinceHeartbeat: Duration = .zero
    }

    private let address: UnixSocketAddress
    private let descriptor: Int32
    /// Half of what the manager waits for a heartbeat; nil if it waits for none.
    let heartbeat: Duration?
    private let state = Mutex(State())

    /// Reads who the manager is; nil if there is none, or none that can be spoken to.
    ///
    /// - Parameters:
    ///   - environment: `NOTIFY_SOCKET` is an absolute path, or a name in the abstract namespace after an `@`. `WATCHDOG_USEC` counts if
    ///     `WATCHDOG_PID` is this process or is not there.
    ///   - processID: Which process `WATCHDOG_PID` has to name; this one if nil.
    public init?(environment: [String: String], processID: Int32? = nil) {
        guard let address = environment["NOTIFY_SOCKET"].flatMap(UnixSocketAddress.init(name:)) else { return nil }
        // Its own flags, since the descriptor must not reach a child, and no thread may wait for a manager that does not read.
        let flags = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, flags, 0)
        guard descriptor >= 0 else { return nil }
        self.address = address
        self.descriptor = descriptor
        let isForUs = environment["WATCHDOG_PID"].map { $0 == String(processID ?? getpid()) } ?? true
        let period = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        self.heartbeat = isForUs && period > 0 ? .microseconds(period / 2) : nil
    }

    deinit { close(self.descriptor) }

    /// The port is open: `/live` is answered.
    public func ready() { self.send("READY=1\nSTATUS=The port is open; the database is being connected.") }

    /// Tells the manager of every phase, and feeds its watchdog for as long as nothing is stalled.
    public func follow(_ lifecycle: Lifecycle, _ stalls: StallWatch) {
        lifecycle.onPhase { [weak self] phase in
            if let message = Self.message(for: phase) { self?.send(message) }
        }
        stalls.onTurn { [weak self] elapsed, isStalled in self?.turn(after: elapsed, isStalled: isStalled) }
    }

    /// What is said of a phase. The sentences hold nothing but what is written here.
    static func message(for phase: Phase) -> String? {
        switch phase {
        case .starting: nil
        case .serving: "STATUS=Serving."
        case .draining: "STOPPING=1\nSTATUS=Draining: /ready is 503, requests are still served."
        case .finishing: "STATUS=Finishing what is in flight; new requests are refused."
        case .cancelling: "STATUS=The grace is over; what is in flight is being cancelled."
        case .cleaningUp: "STATUS=Cleaning up."
        case .stopped: nil
        }
    }

    /// A turn of the watchdog went by: sends what there was no room for, and a heartbeat if the next turn could be too late for it.
    func turn(after elapsed: Duration, isStalled: Bool) {
        self.state.withLock { state in
            state.sinceHeartbeat += elapsed
            let isDue = self.heartbeat.map { state.sinceHeartbeat + elapsed > $0 } ?? false
            self.flush(&state)
            guard isDue, !isStalled, state.unsent.isEmpty else { return }
            state.sinceHeartbeat = .zero
            // One that is lost is not sent again: it would speak of a moment that is over.
            _ = self.transmit("WATCHDOG=1")
        }
    }

    private func send(_ message: String) {
        self.state.withLock { state in
            state.unsent.append(message)
            self.flush(&state)
        }
    }

    /// Sends what there is room for. What cannot be sent for another reason is dropped: nobody is left to be told.
    private func flush(_ state: inout State) {
        while let next = state.unsent.first {
            if [EAGAIN, EINTR, ENOBUFS].contains(self.transmit(next)) { return }
            state.unsent.removeFirst()
        }
    }

    /// - Returns: 0, or the system's number for what went wrong.
    private func transmit(_ message: String) -> Int32 {
        let bytes = Array(message.utf8)
        return self.address.withPointer { pointer, length in
            let flags = Int32(MSG_NOSIGNAL)
            return sendto(self.descriptor, bytes, bytes.count, flags, pointer, length) == bytes.count ? 0 : errno
        }
    }
}
