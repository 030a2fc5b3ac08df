// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Connections to one database, each for one user at a time, in the order in which they asked.
///
/// ```swift
/// let pool = ConnectionPool(configuration: PoolConfiguration()) { try await connect() }
/// try await pool.withConnection { connection in … }
/// await pool.drain()
/// ```
///
/// A connection that is lost or in an unknown state is never given out again. While the database is away, whoever asks waits for the
/// next attempt to connect, a second at most, and gets its error.
public final class ConnectionPool<Connection: PooledConnection>: Sendable {
    private typealias State = PoolState
    private typealias AnyConnection = any PooledConnection

    /// What goes on beside the users: making connections, and looking after time limits.
    private struct Background {
        var tasks: [Int: Task<Void, Never>] = [:]
        var lastTask = 0
        var hasTimer = false
        var isClosed = false
        var drained: [Int: CheckedContinuation<Void, Never>] = [:]
        var lastDrained = 0
    }

    private let configuration: PoolConfiguration
    private let observer: (any PoolObserver)?
    private let connect: @Sendable () async throws(DatabaseError) -> Connection
    private let state: Mutex<PoolState>
    private let background = Mutex(Background())

    /// Creates a pool without a connection; the first is made when somebody asks, or by ``fill()``.
    ///
    /// - Parameters:
    ///   - configuration: how many connections there are, and for how long.
    ///   - observer: hears what happens.
    ///   - random: gives numbers from 0 to 1, so that pauses and lifetimes differ.
    ///   - connect: makes a connection, within a time limit of its own.
    public init(
        configuration: PoolConfiguration,
        observer: (any PoolObserver)? = nil,
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) },
        connect: @escaping @Sendable () async throws(DatabaseError) -> Connection
    ) {
        self.configuration = configuration
        self.observer = observer
        self.connect = connect
        self.state = Mutex(PoolState(configuration: configuration, random: random))
    }

    /// How it is now.
    public var statistics: PoolStatistics { self.state.withLock { $0.statistics(now: .now) } }

    /// Begins to make the minimum of connections; does not wait for them.
    public func fill() {
        self.perform(self.state.withLock { $0.fill() })
        self.startTidying()
    }

    // MARK: - Users

    /// Runs `body` with a connection that nobody else uses meanwhile.
    ///
    /// - Throws: as ``acquire()``, and what `body` throws.
    public func withConnection<Result>(_ body: (Connection) async throws -> Result) async throws -> Result {
        let connection = try await self.acquire()
        defer { self.release(connection) }
        return try await body(connection)
    }

    /// Takes a connection, which has to be given back by ``release(_:)``.
    ///
    /// - Throws: `.poolExhausted` when none has become free in time, the error of the last attempt when none can be made, `.closed` once
    ///   the pool is drained; `CancellationError` when the task is cancelled while it waits.
    public func acquire() async throws -> Connection {
        let start = ContinuousClock.now
        while true {
            var expired: [AnyConnection] = []
            let taken = self.state.withLock { $0.takeIdle(now: start, expired: &expired) }
            self.close(expired)
            switch taken {
            case .connection(let connection, let idle):
                if Task.isCancelled {
                    self.perform(self.state.withLock { $0.release(connection, now: .now) })
                    throw CancellationError()
                }
                if idle >= self.configuration.pingAfterIdle, await !self.answers(connection) {
                    // What has rested as long is as dead; asking one after the other would take longer than anybody waits.
                    self.close(
                        self.state.withLock { $0.takeAllIdle(for: self.configuration.pingAfterIdle, now: start) })
                    continue
                }
                self.observer?.acquired(after: .now - start)
                return self.own(connection)
            case .closed:
                throw State.closedError
            case .none:
                return try await self.waitForConnection(since: start)
            }
        }
    }

    /// Gives a connection back.
    public func release(_ connection: Connection) {
        self.perform(self.state.withLock { $0.release(connection, now: .now) })
    }

    /// A connection of the state, as what it is.
    private func own(_ connection: AnyConnection) -> Connection {
        unsafeDowncast(connection, to: Connection.self)
        // Only what `connect` has made, or what was acquired here, is in the state, and both are of that type.
    }

    private func answers(_ connection: AnyConnection) async -> Bool {
        do {
            try await connection.ping()
            return true
        } catch {
            connection.close()
            self.perform(self.state.withLock { $0.release(connection, now: .now) })
            return false
        }
    }

    private func waitForConnection(since start: ContinuousClock.Instant) async throws -> Connection {
        let id = self.state.withLock { $0.nextWaiter() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waiter = State.Waiter(id: id, since: start, continuation: continuation)
                self.perform(self.state.withLock { $0.wait(waiter, now: .now) })
                // The cancellation may have come before the waiter.
                if Task.isCancelled { self.cancel(id) }
                self.startTimer()
            }
        } onCancel: {
            self.cancel(id)
        }
        switch result {
        case .success(let connection):
            if Task.isCancelled {
                self.perform(self.state.withLock { $0.release(connection, now: .now) })
                throw CancellationError()
            }
            self.observer?.acquired(after: .now - start)
            return self.own(connection)
        case .failure(let error):
            if error.code == .cancelled { throw CancellationError() }
            self.observer?.acquireFailed(error)
            throw error
        }
    }

    private func cancel(_ id: Int) {
        let waiter = self.state.withLock { $0.giveUp(id, now: .now) }
        waiter?.continuation.resume(
            returning: .failure(
                DatabaseError(code: .cancelled, description: "The wait for a connection was cancelled.")))
    }

    // MARK: - The end, and a new beginning

    /// Begins anew with other connections: those that are idle are closed, those that are used are closed when they come back, and
    /// count no more. For a pool that hangs although the database answers.
    public func replaceAll() { self.perform(self.state.withLock { $0.replaceAll(now: .now) }) }

    /// Gives no connection out any more, and waits until all are back and no attempt to connect is under way; then all are closed. A task that
    /// is cancelled waits no longer.
    public func drain() async {
        self.end()
        for task in self.background.withLock({ Array($0.tasks.values) }) { await task.value }
        let number = self.background.withLock { background in
            background.lastDrained += 1
            return background.lastDrained
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.background.withLock { $0.drained[number] = continuation }
                self.noteReturn()
                // The cancellation may have come before.
                if Task.isCancelled { self.stopDraining(number) }
            }
        } onCancel: {
            self.stopDraining(number)
        }
    }

    private func stopDraining(_ number: Int) {
        self.background.withLock { $0.drained.removeValue(forKey: number) }?.resume()
    }

    /// Gives no connection out any more; those that are used are closed when they come back.
    public func end() {
        self.perform(self.state.withLock { $0.close() })
        let tasks = self.background.withLock { background in
            background.isClosed = true
            return background.tasks.values
        }
        for task in tasks { task.cancel() }
    }

    /// Takes all connections away, from those who use them too.
    public func closeAll() {
        self.end()
        self.close(self.state.withLock { $0.busy.values.map(\.connection) })
    }

    private func noteReturn() {
        guard self.state.withLock({ $0.isClosed && $0.busy.isEmpty }) else { return }
        let waiting = self.background.withLock { background in
            defer { background.drained = [:] }
            return Array(background.drained.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    // MARK: - Effects

    private func perform(_ effects: PoolState.Effects) {
        for wakening in effects.wakenings { wakening.waiter.continuation.resume(returning: wakening.result) }
        self.close(effects.closing)
        for _ in 0..<effects.connects { self.beginConnecting(after: effects.pause) }
        if !effects.closing.isEmpty { self.noteReturn() }
    }

    private func close(_ connections: [AnyConnection]) {
        for connection in connections {
            connection.close()
            self.observer?.closed()
        }
    }

    private func beginConnecting(after pause: Duration) {
        let generation = self.state.withLock(\.generation)
        self.inBackground {
            if pause > .zero { try? await Task.sleep(for: pause) }
            do throws(DatabaseError) {
                let connection = try await self.connect()
                self.observer?.connected()
                self.perform(self.state.withLock { $0.connected(connection, generation: generation, now: .now) })
            } catch {
                self.observer?.connectFailed(error)
                self.perform(self.state.withLock { $0.connectFailed(error, generation: generation) })
            }
        }
    }

    /// Ends the wait of those who have waited too long, for as long as somebody waits.
    private func startTimer() {
        let mustStart = self.background.withLock { background in
            defer { background.hasTimer = true }
            return !background.hasTimer
        }
        guard mustStart else { return }
        self.inBackground {
            while true {
                let (effects, next) = self.state.withLock { $0.expireWaiters(now: .now) }
                self.perform(effects)
                guard let next else {
                    self.background.withLock { $0.hasTimer = false }
                    // Somebody may have come between the look and the end.
                    if self.state.withLock({ !$0.waiters.isEmpty }) { self.startTimer() }
                    return
                }
                if (try? await Task.sleep(until: next, clock: .continuous)) == nil { return }
            }
        }
    }

    private func startTidying() {
        let interval = min(self.configuration.idleTimeout / 4, .seconds(30))
        self.inBackground { [weak self] in
            while (try? await Task.sleep(for: interval)) != nil {
                guard let self else { return }
                self.perform(self.state.withLock { $0.tidy(now: .now) })
            }
        }
    }

    /// Runs something that ends with the pool.
    private func inBackground(_ body: @escaping @Sendable () async -> Void) {
        self.background.withLock { background in
            guard !background.isClosed else { return }
            background.lastTask += 1
            let number = background.lastTask
            // Its own task: it belongs to nobody who waits, and ends at once when the pool does.
            background.tasks[number] = Task.detached { [weak self] in
                await body()
                self?.background.withLock { _ = $0.tasks.removeValue(forKey: number) }
            }
        }
    }
}
