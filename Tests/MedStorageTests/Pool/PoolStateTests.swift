// MedBuilder
// SPDX-License-Identifier: Apache-2.0

@testable import MedStorage
import Synchronization
import Testing

/// A connection to nowhere.
final class FakeConnection: PooledConnection {
    private let state = Mutex((isUsable: true, closes: 0))
    private let live: LiveCount?

    init(live: LiveCount? = nil) {
        self.live = live
        live?.change(1)
    }

    deinit { self.live?.change(-1) }

    var isUsable: Bool { self.state.withLock(\.isUsable) }
    var isClosed: Bool { self.state.withLock { $0.closes > 0 } }

    func ping() async throws(DatabaseError) {
        if !self.isUsable { throw DatabaseError(code: .notReachable, description: "It is lost.") }
    }

    func lose() { self.state.withLock { $0.isUsable = false } }

    func close() {
        self.state.withLock { state in
            state.isUsable = false
            state.closes += 1
        }
    }
}

/// How many connections have not been given up by everyone.
final class LiveCount: Sendable {
    private let count = Mutex(0)
    var value: Int { self.count.withLock { $0 } }
    func change(_ by: Int) { self.count.withLock { $0 += by } }
}

/// The pool as a value: whatever happens in whatever order.
@Suite struct PoolStateTests {
    private typealias State = PoolState

    private let start = ContinuousClock.now

    private func makeState(_ configuration: PoolConfiguration = PoolConfiguration()) -> State {
        State(configuration: configuration) { 0.5 }
    }

    private static let unreachable = DatabaseError(code: .notReachable, description: "It is away.")

    @Test func `the one that came back last is given out first, so that the others can go`() {
        var state = self.makeState(PoolConfiguration(minimum: 1, maximum: 3, idleTimeout: .seconds(10)))
        var effects = state.fill()
        #expect(effects.connects == 1)
        let connections = [FakeConnection(), FakeConnection()]
        _ = state.connected(connections[0], generation: 0, now: self.start)
        var expired: [any PooledConnection] = []
        guard case .connection(let first, _) = state.takeIdle(now: self.start, expired: &expired) else {
            Issue.record("There is one.")
            return
        }
        #expect(first === connections[0])
        _ = state.release(first, now: self.start)
        effects = state.tidy(now: self.start + .seconds(60))
        // One is the minimum.
        #expect(effects.closing.isEmpty && state.idle.count == 1)
    }

    @Test func `one that is past its time, or lost, is never given out`() {
        var state = self.makeState(PoolConfiguration(maximumLifetime: .seconds(100)))
        _ = state.fill()
        let connection = FakeConnection()
        _ = state.connected(connection, generation: 0, now: self.start)
        var expired: [any PooledConnection] = []
        guard case .none = state.takeIdle(now: self.start + .seconds(100), expired: &expired) else {
            Issue.record("It was given out.")
            return
        }
        #expect(expired.count == 1)
    }

    @Test func `waiting in vain counts on over those who gave up, and ends with the first connection`() async {
        var state = self.makeState(PoolConfiguration(minimum: 0, maximum: 1, acquireTimeout: .seconds(2)))
        _ = state.fill()
        var now = self.start
        func wait() async {
            let id = state.nextWaiter()
            let (stream, feed) = AsyncStream.makeStream(
                of: CheckedContinuation<Result<any PooledConnection, DatabaseError>, Never>.self)
            Task { _ = await withCheckedContinuation { feed.yield($0) } }
            var iterator = stream.makeAsyncIterator()
            guard let continuation = await iterator.next() else { return }
            answer(state.wait(State.Waiter(id: id, since: now, continuation: continuation), now: now))
        }
        func answer(_ effects: State.Effects) {
            for wakening in effects.wakenings { wakening.waiter.continuation.resume(returning: wakening.result) }
        }
        await wait()
        let connection = FakeConnection()
        answer(state.connected(connection, generation: 0, now: now))
        #expect(state.statistics(now: now + .seconds(60)).stalledFor == .zero)

        // One after the other, each for two seconds.
        for second in stride(from: 0, to: 10, by: 2) {
            await wait()
            #expect(state.statistics(now: now).stalledFor == .seconds(second))
            now += .seconds(2)
            answer(state.expireWaiters(now: now).0)
        }
        #expect(state.statistics(now: now).stalledFor == .zero)
        await wait()
        #expect(state.statistics(now: now).stalledFor == .seconds(10))
        answer(state.release(connection, now: now))
        #expect(state.statistics(now: now + .seconds(60)).stalledFor == .zero)

        // An hour in which nobody wanted one is no hour of waiting.
        await wait()
        now += .seconds(2)
        answer(state.expireWaiters(now: now).0)
        now += .seconds(3600)
        await wait()
        #expect(state.statistics(now: now + .seconds(1)).stalledFor == .seconds(1))
        answer(state.close())
    }

    /// Every order of events that chance finds: nobody gets what another one has, nothing is lost, nobody is forgotten.
    @Test func `a hundred thousand events in any order break no promise`() async {
        var generator = SystemRandomNumberGenerator()
        let maximum = 3
        var state = self.makeState(PoolConfiguration(minimum: 1, maximum: maximum, acquireTimeout: .seconds(5)))
        var now = self.start
        var busy: [any PooledConnection] = []
        var connecting: [Int] = []
        var waiting: [Int] = []
        var closed = Set<ObjectIdentifier>()
        var kept: [FakeConnection] = []

        func check(_ effects: State.Effects) {
            for wakening in effects.wakenings {
                #expect(waiting.first == wakening.waiter.id, "Not in order.")
                waiting.removeAll { $0 == wakening.waiter.id }
                if case .success(let connection) = wakening.result {
                    #expect(!busy.contains { $0 === connection }, "Two have it.")
                    #expect(!closed.contains(ObjectIdentifier(connection)))
                    busy.append(connection)
                }
                wakening.waiter.continuation.resume(returning: wakening.result)
            }
            for connection in effects.closing { closed.insert(ObjectIdentifier(connection)) }
            connecting += Array(repeating: state.generation, count: effects.connects)
            #expect(state.total <= maximum)
            #expect(state.waiters.map(\.id) == waiting)
            // Whoever waits has something to wait for.
            #expect(state.waiters.isEmpty || state.connecting > 0 || !state.busy.isEmpty)
        }

        await withDiscardingTaskGroup { group in
            for _ in 0..<100_000 {
                now += .milliseconds(Int.random(in: 0...50, using: &generator))
                switch Int.random(in: 0..<12, using: &generator) {
                case 0, 1, 2:
                    var expired: [any PooledConnection] = []
                    let taken = state.takeIdle(now: now, expired: &expired)
                    for connection in expired { closed.insert(ObjectIdentifier(connection)) }
                    switch taken {
                    case .connection(let connection, _):
                        #expect(connection.isUsable && !busy.contains { $0 === connection })
                        busy.append(connection)
                    case .none:
                        // Before it is in the queue, all that there are may come back.
                        if Bool.random(using: &generator) {
                            let back = busy
                            busy = []
                            for connection in back { check(state.release(connection, now: now)) }
                        }
                        let id = state.nextWaiter()
                        // A continuation of its own, which somebody has to resume exactly once.
                        let (stream, feed) = AsyncStream.makeStream(
                            of: CheckedContinuation<Result<any PooledConnection, DatabaseError>, Never>.self)
                        group.addTask {
                            _ = await withCheckedContinuation { feed.yield($0) }
                        }
                        var iterator = stream.makeAsyncIterator()
                        if let continuation = await iterator.next() {
                            waiting.append(id)
                            check(state.wait(State.Waiter(id: id, since: now, continuation: continuation), now: now))
                        }
                    case .closed: Issue.record("It is open.")
                    }
                case 3, 4, 5:
                    guard let connection = busy.popLast() else { continue }
                    check(state.release(connection, now: now))
                case 6:
                    (busy.randomElement(using: &generator) as? FakeConnection)?.lose()
                case 7, 8:
                    guard let generation = connecting.popLast() else { continue }
                    let connection = FakeConnection()
                    kept.append(connection)
                    check(state.connected(connection, generation: generation, now: now))
                case 9:
                    guard let generation = connecting.popLast() else { continue }
                    check(state.connectFailed(Self.unreachable, generation: generation))
                case 10:
                    guard let id = waiting.randomElement(using: &generator), let waiter = state.giveUp(id, now: now)
                    else {
                        continue
                    }
                    waiting.removeAll { $0 == id }
                    waiter.continuation.resume(returning: .failure(Self.unreachable))
                default:
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: check(state.tidy(now: now))
                    case 1: check(state.expireWaiters(now: now).0)
                    case 2 where Int.random(in: 0..<20, using: &generator) == 0:
                        check(state.replaceAll(now: now))
                    default: break
                    }
                }
            }
            check(state.close())
            #expect(state.waiters.isEmpty)
        }
    }
}
