// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import MedStorage
import Synchronization

/// One connection as libpq has it, touched by one thread at a time.
///
/// Whoever owns it sends from its own thread and sleeps; the ``Reactor`` reads, and wakes it with the answers. Both hold the lock
/// while they are inside libpq.
///
///     free ──exchange──▶ waiting ──all answers──▶ free
///                           │ cancelled, or the time limit
///                           ▼
///                      cancelling ──answers, and the request's end──▶ free, or lost if the statement was not what ended
///                           │ 1 s
///                           ▼
///     any ──end of file, protocol error──▶ lost
final class Wire: Reactor.Source {
    /// When an exchange is over.
    enum Goal {
        /// The server is ready for the next statement.
        case ready
        /// The same, for one statement that commits itself when it is done.
        case committed
        /// The server asks for the data of a COPY, or has refused it and is ready.
        case copy
        /// The server has answered everything up to the end of the pipeline.
        case pipeline
        /// What was put into libpq's buffer is on its way.
        case flushed
    }

    /// What came of an exchange.
    typealias Answer = Result<[ServerResult], DatabaseError>
    /// Unsafe, since the check costs as much as all that is done here with an answer. It is resumed once: whatever takes it out of the state
    /// takes the exchange out with it, and becomes a `Wakening`, which is used once.
    private typealias Continuation = UnsafeContinuation<Answer, Never>

    /// What is asked of the server just now. An object, since it is looked at several times for each answer, and under the lock alone.
    private final class Exchange {
        let number: Int
        let goal: Goal
        let limit: Duration
        let deadline: ContinuousClock.Instant
        let continuation: Continuation
        var results: [ServerResult] = []
        var isAnswered = false
        var cancellation: Cancellation?

        init(
            number: Int, goal: Goal, limit: Duration, deadline: ContinuousClock.Instant, continuation: Continuation
        ) {
            self.number = number
            self.goal = goal
            self.limit = limit
            self.deadline = deadline
            self.continuation = continuation
        }

        /// Whether the server says that it broke off a statement.
        var isBrokenOff: Bool { self.results.contains { $0.field(.sqlState) == SQLState.queryCanceled } }

        /// What the server has answered; for one that it broke off, why that was asked of it.
        var answer: Answer {
            if let cancellation, self.isBrokenOff { .failure(cancellation.reason) } else { .success(self.results) }
        }
    }

    private struct Cancellation {
        /// Why it is cancelled: what the caller gets.
        let reason: DatabaseError
        /// The server must have confirmed it by then.
        let deadline: ContinuousClock.Instant
        /// Whether libpq's call is over, so that the request can hit no later statement.
        var isDelivered = false
    }

    private struct State: @unchecked Sendable {
        // Unchecked: the pointer is used under the lock alone.
        var connection: OpaquePointer?
        var exchange: Exchange?
        /// The last exchange that was cancelled before it began.
        var cancelledNumber = 0
        var isWaitingToWrite = false
        /// Why the connection is lost.
        var loss: DatabaseError?
        /// Whether a cancellation may still hit what is sent next.
        var isSuspect = false
        var hasTLS = false
        var token: UInt64 = 0
    }

    /// A waiting task and its answer, to be brought together once the lock is free.
    private struct Wakening {
        let continuation: Continuation
        let answer: Answer
    }

    /// How long the server has to confirm a cancellation before the connection is closed.
    static let cancellationLimit = Duration.seconds(1)

    private let reactor: Reactor
    private let threads: BoundedThreads
    private let descriptor: Int32
    private let name: String
    private let onNotification: (@Sendable (_ channel: String, _ payload: String) -> Void)?
    private let onLoss: (@Sendable () -> Void)?
    private let state: Mutex<State>
    /// Counts exchanges, so that a late cancellation finds its own or none.
    private let numbers = Atomic(0)

    /// Takes over a connection that is established.
    ///
    /// - Parameters:
    ///   - name: what the database is called in errors.
    ///   - threads: where cancellations block.
    ///   - onNotification: hears what LISTEN asked for; on the reactor's thread.
    ///   - onLoss: hears once that the connection is lost; on any thread.
    /// - Returns: nil if somebody else has it, or if the reactor was stopped.
    init?(
        _ connection: EstablishedConnection,
        name: String,
        reactor: Reactor,
        threads: BoundedThreads,
        onNotification: (@Sendable (_ channel: String, _ payload: String) -> Void)? = nil,
        onLoss: (@Sendable () -> Void)? = nil
    ) {
        guard let pointer = connection.take() else { return nil }
        PQsetnonblocking(pointer, 1)
        self.name = name
        self.reactor = reactor
        self.threads = threads
        self.descriptor = PQsocket(pointer)
        self.onNotification = onNotification
        self.onLoss = onLoss
        self.state = Mutex(State(connection: pointer, hasTLS: PQsslInUse(pointer) != 0))
        // Under the lock, so that a reader that is woken at once finds the token.
        let isHeard = self.state.withLock { state in
            guard let token = reactor.add(self, descriptor: self.descriptor) else {
                state.connection = nil
                return false
            }
            state.token = token
            return true
        }
        if !isHeard {
            PQfinish(pointer)
            return nil
        }
    }

    /// Whether the connection is there, in a known state and at nobody's disposal.
    var isUsable: Bool {
        self.state.withLock { $0.connection != nil && !$0.isSuspect && $0.exchange == nil }
    }

    /// What `read` finds in the connection, which it must not keep; nil if the connection is lost.
    func inspect<Value: Sendable>(_ read: (OpaquePointer) -> Value) -> Value? {
        self.state.withLock { state in
            guard let connection = state.connection else { return nil }
            return read(connection)
        }
    }

    /// Sends something and waits for its answers.
    ///
    /// - Parameters:
    ///   - goal: when it is over.
    ///   - limit: after that time the statement is cancelled, and after one second more the connection closed.
    ///   - isCancellable: whether the cancellation of the task cancels the statement. A COMMIT is not: its outcome stands.
    ///   - send: hands it to libpq; false if libpq refuses it. Runs under the lock, on the caller's thread.
    func exchange(
        _ goal: Goal,
        limit: Duration,
        isCancellable: Bool = true,
        send: (OpaquePointer) -> Bool
    ) async throws(DatabaseError) -> [ServerResult] {
        let number = self.numbers.add(1, ordering: .relaxed).newValue
        guard isCancellable else {
            let answer = await withUnsafeContinuation { self.begin(goal, limit: limit, number: number, $0, send) }
            return try answer.get()
        }
        let answer = await withTaskCancellationHandler {
            await withUnsafeContinuation { self.begin(goal, limit: limit, number: number, $0, send) }
        } onCancel: {
            self.cancel(number, because: self.cancelled)
        }
        return try answer.get()
    }

    /// Hands something to libpq and the socket without waiting for anything: what does not leave now leaves when there is room.
    func push(_ send: (OpaquePointer) -> Bool) throws(DatabaseError) {
        let (isSent, loss, wakening) = self.state.withLock { state -> (Bool, DatabaseError?, Wakening?) in
            guard let connection = state.connection else { return (false, state.loss, nil) }
            guard send(connection) else { return (false, nil, nil) }
            let wakening = self.flush(&state)
            return (state.connection != nil, state.loss, wakening)
        }
        self.wake(wakening)
        guard isSent else { throw loss ?? self.closed }
    }

    private func begin(
        _ goal: Goal,
        limit: Duration,
        number: Int,
        _ continuation: Continuation,
        _ send: (OpaquePointer) -> Bool
    ) {
        let wakening = self.state.withLock { state -> Wakening? in
            guard let connection = state.connection else {
                return Wakening(continuation: continuation, answer: .failure(state.loss ?? self.closed))
            }
            guard state.exchange == nil else {
                return Wakening(
                    continuation: continuation,
                    answer: .failure(
                        DatabaseError(
                            code: .transactionEnded,
                            description: "Two tasks used one connection to database '\(self.name)' at the same time."))
                )
            }
            // A cancellation came first.
            guard number > state.cancelledNumber else {
                return Wakening(continuation: continuation, answer: .failure(self.cancelled))
            }
            guard send(connection) else {
                let words = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
                if PQstatus(connection) == CONNECTION_BAD {
                    return self.lose(&state, self.lost(words))
                        ?? Wakening(
                            continuation: continuation, answer: .failure(state.loss ?? self.closed))
                }
                return Wakening(
                    continuation: continuation,
                    answer: .failure(
                        DatabaseError(
                            code: .invalidStatement,
                            description:
                                "The statement cannot be sent to database '\(self.name)': \(words.inLibpqsOwnWords)."))
                )
            }
            state.exchange = Exchange(
                number: number, goal: goal, limit: limit, deadline: .now + limit, continuation: continuation)
            return self.flush(&state) ?? (goal == .flushed ? self.advance(&state) : nil)
        }
        self.wake(wakening)
    }

    // MARK: - The reactor's side

    func isReady(toRead: Bool, toWrite: Bool, mayWait: Bool) -> Bool {
        var notifications: [(String, String)] = []
        let wakening: Wakening?
        if mayWait {
            wakening = self.state.withLock {
                self.read(&$0, toRead: toRead, toWrite: toWrite, notifications: &notifications)
            }
        } else {
            let tried = self.state.withLockIfAvailable {
                self.read(&$0, toRead: toRead, toWrite: toWrite, notifications: &notifications)
            }
            guard let tried else { return false }
            wakening = tried
        }
        self.wake(wakening)
        for (channel, payload) in notifications { self.onNotification?(channel, payload) }
        return true
    }

    private func read(
        _ state: inout State, toRead: Bool, toWrite: Bool, notifications: inout [(String, String)]
    ) -> Wakening? {
        if toWrite, let wakening = self.flush(&state) { return wakening }
        guard let connection = state.connection else { return nil }
        if toRead {
            // With TLS, a record may be longer than what libpq reads in one go, and the rest of it makes the descriptor ready no more.
            for _ in 0..<(state.hasTLS ? 2 : 1) where PQconsumeInput(connection) == 0 {
                let words = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
                // The server may have said why before it hung up.
                if let wakening = self.advance(&state) { return wakening }
                return self.lose(&state, self.lost(words))
            }
        }
        let wakening = self.advance(&state)
        if self.onNotification != nil, let connection = state.connection {
            while let notification = PQnotifies(connection) {
                notifications.append(
                    (String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
                PQfreemem(notification)
            }
        }
        return wakening
    }

    func tick(now: ContinuousClock.Instant) {
        // Whoever holds the lock is at work, so nothing hangs here; and the reactor waits for nobody.
        let due = self.state.withLockIfAvailable { state -> (Int, Duration)? in
            guard let exchange = state.exchange else { return nil }
            if let cancellation = exchange.cancellation {
                return cancellation.deadline <= now ? (exchange.number, .zero) : nil
            }
            return exchange.deadline <= now ? (exchange.number, exchange.limit) : nil
        }
        guard let due, let (number, limit) = due else { return }
        if limit == .zero {
            self.wake(
                self.state.withLock { state in
                    guard let reason = state.exchange?.cancellation?.reason, state.exchange?.number == number else {
                        return nil
                    }
                    return self.lose(&state, reason)
                })
        } else {
            self.cancel(number, because: self.timedOut(limit))
        }
    }

    func reactorStopped() { self.close() }

    /// Takes what libpq has understood, up to the goal.
    private func advance(_ state: inout State) -> Wakening? {
        guard let connection = state.connection else { return nil }
        guard let exchange = state.exchange else {
            // Notices and parameter changes are taken note of by looking.
            _ = PQisBusy(connection)
            return nil
        }
        if exchange.goal == .flushed {
            return state.isWaitingToWrite ? nil : self.finish(&state)
        }
        while !exchange.isAnswered, PQisBusy(connection) == 0 {
            guard let pointer = PQgetResult(connection) else {
                // In a pipeline, this only separates the answers of two statements.
                if exchange.goal != .pipeline || PQstatus(connection) == CONNECTION_BAD {
                    exchange.isAnswered = true
                }
                continue
            }
            let result = ServerResult(pointer)
            switch result.status {
            case PGRES_PIPELINE_SYNC:
                exchange.isAnswered = true
            case PGRES_COPY_IN where exchange.goal == .copy:
                exchange.results.append(result)
                exchange.isAnswered = true
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // Nobody is there for the data, and the protocol knows no way out for all of them.
                return self.lose(
                    &state,
                    DatabaseError(
                        code: .invalidStatement,
                        description:
                            "A COPY was sent to database '\(self.name)' as a statement; use copy(into:columns:rows:)."
                    ))
            default:
                exchange.results.append(result)
            }
        }
        if PQstatus(connection) == CONNECTION_BAD {
            // libpq adds a result of its own, which has no code, to what the server has said before it hung up.
            var reason = exchange.results.last { $0.isError && $0.field(.sqlState) != nil }
                .map { DatabaseError($0, database: self.name) }
            // That the session was ended after the statement was done does not say whether it was committed.
            if exchange.goal == .committed, exchange.results.first?.isError == false { reason = nil }
            return self.lose(&state, reason?.code == .notReachable ? reason ?? self.lost("") : self.lost(""))
        }
        return exchange.isAnswered ? self.finish(&state) : nil
    }

    /// Ends the exchange with its answers, if no cancellation is on its way.
    private func finish(_ state: inout State) -> Wakening? {
        guard let exchange = state.exchange else { return nil }
        if let cancellation = exchange.cancellation {
            guard cancellation.isDelivered else { return nil }
            // If something else ended the statement, the request may be on its way yet.
            if !exchange.isBrokenOff { state.isSuspect = true }
        }
        state.exchange = nil
        return Wakening(continuation: exchange.continuation, answer: exchange.answer)
    }

    /// Sends what libpq has buffered, as far as there is room.
    private func flush(_ state: inout State) -> Wakening? {
        guard let connection = state.connection else { return nil }
        let outcome = PQflush(connection)
        if outcome < 0 {
            let words = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
            return self.lose(&state, self.lost(words))
        }
        let mustWait = outcome == 1
        if mustWait != state.isWaitingToWrite {
            state.isWaitingToWrite = mustWait
            self.reactor.watch(self.descriptor, token: state.token, toWrite: mustWait)
        }
        return nil
    }

    // MARK: - Cancelling

    private func cancel(_ number: Int, because reason: DatabaseError) {
        let request = self.state.withLock { state -> OpaquePointer? in
            if state.exchange == nil { state.cancelledNumber = max(state.cancelledNumber, number) }
            guard let connection = state.connection, let exchange = state.exchange,
                exchange.number == number, exchange.cancellation == nil
            else { return nil }
            state.exchange?.cancellation = Cancellation(reason: reason, deadline: .now + Self.cancellationLimit)
            return PQgetCancel(connection)
        }
        guard let request else { return }
        nonisolated(unsafe) let cancel = request
        // Safe: the request is a copy of libpq's, and only the closure below has it.
        let isStarted = self.threads.start({ _ in self.cancellationDelivered(number) }) {
            var words = [CChar](repeating: 0, count: 256)
            let isSent = PQcancel(cancel, &words, Int32(words.count)) == 1
            PQfreeCancel(cancel)
            return isSent
        }
        if !isStarted {
            PQfreeCancel(request)
            // All threads hang in requests that nobody confirms; so would this one.
            self.wake(
                self.state.withLock { state in
                    state.exchange?.number == number ? self.lose(&state, reason) : nil
                })
        }
    }

    private func cancellationDelivered(_ number: Int) {
        self.wake(
            self.state.withLock { state in
                guard state.exchange?.number == number else { return nil }
                state.exchange?.cancellation?.isDelivered = true
                return state.exchange?.isAnswered == true ? self.finish(&state) : nil
            })
    }

    // MARK: - The end

    /// Gives the connection back. It does not wait, and more than once is nothing.
    ///
    /// A statement that is running is cancelled: the server would go on with it, and with its locks, for nobody.
    func close() {
        let (wakening, request) = self.state.withLock { state -> (Wakening?, OpaquePointer?) in
            let request = state.exchange == nil ? nil : state.connection.flatMap { PQgetCancel($0) }
            return (self.lose(&state, self.closed), request)
        }
        self.wake(wakening)
        guard let request else { return }
        nonisolated(unsafe) let cancel = request
        // Safe: the request is a copy of libpq's, and only the closure below has it.
        let isStarted = self.threads.start({ _ in }) {
            var words = [CChar](repeating: 0, count: 256)
            let isSent = PQcancel(cancel, &words, Int32(words.count)) == 1
            PQfreeCancel(cancel)
            return isSent
        }
        if !isStarted { PQfreeCancel(request) }
    }

    private func lose(_ state: inout State, _ reason: DatabaseError) -> Wakening? {
        guard let connection = state.connection else { return nil }
        state.connection = nil
        state.loss = reason
        self.reactor.remove(self.descriptor, token: state.token)
        // The server may have answered, and nothing but the request to cancel is still on its way: then the outcome is known.
        let isAnswered = state.exchange?.isAnswered == true && PQstatus(connection) == CONNECTION_OK
        // It says goodbye without waiting, since the connection is non-blocking.
        PQfinish(connection)
        self.onLoss?()
        guard let exchange = state.exchange else { return nil }
        state.exchange = nil
        return Wakening(
            continuation: exchange.continuation,
            answer: isAnswered ? exchange.answer : .failure(exchange.cancellation?.reason ?? reason))
    }

    private func wake(_ wakening: Wakening?) {
        guard let wakening else { return }
        wakening.continuation.resume(returning: wakening.answer)
    }

    // MARK: - Errors

    private var closed: DatabaseError {
        DatabaseError(code: .closed, description: "The connection to database '\(self.name)' is closed.")
    }

    private var cancelled: DatabaseError {
        DatabaseError(code: .cancelled, description: "A statement for database '\(self.name)' was cancelled.")
    }

    private func timedOut(_ limit: Duration) -> DatabaseError {
        DatabaseError(
            code: .timeout,
            description: "Database '\(self.name)' did not answer a statement within \(limit.inSeconds) s.")
    }

    private func lost(_ words: String) -> DatabaseError {
        DatabaseError(
            code: .notReachable,
            description: "The connection to database '\(self.name)' was lost: \(words.inLibpqsOwnWords).")
    }
}
