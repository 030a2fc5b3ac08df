// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

extension Lifecycle {
    /// The identity of the admitted work that this task is part of; 0 outside of any. It is a plain word, because the crash
    /// guard's signal handler reads it.
    @TaskLocal static var currentWork: UInt = 0

    /// What is to be undone if the work traps.
    struct TrapHandler: Sendable {
        let work: UInt
        let id: Int
        let action: @Sendable () -> Void
    }

    /// Runs `body` as work that a shutdown waits for, and cancels when the grace is over.
    ///
    /// A runtime trap in `body` ends the wait: whoever called is told, and everything else in flight is finished.
    ///
    /// - Throws: ``LifecycleError/shuttingDown`` when no new work is accepted any more (never inside other work),
    ///   ``LifecycleError/trapped`` when `body` trapped, and whatever `body` throws.
    public func withWork<Value: Sendable>(
        _ name: String,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        if Self.currentWork != 0 { return try await self.accounting(name, body) }
        // What its task returns or throws, or that it trapped.
        let result = FirstAnswer<Result<Value, any Error>>()
        let work = NamedWork(name: name) { result.give(.failure(LifecycleError.trapped)) }
        let task = try self.startTask(work) {
            do {
                result.give(.success(try await body()))
            } catch {
                result.give(.failure(error))
            }
        }
        return try await withTaskCancellationHandler {
            try await result.value.get()
        } onCancel: {
            task.cancel()
        }
    }

    /// Runs `body` as part of what the caller does, and has a shutdown wait for it. Cancellation comes by the caller's task.
    ///
    /// - Throws: ``LifecycleError/shuttingDown`` when no new work is accepted any more (never inside other work), and
    ///   whatever `body` throws.
    public func accounting<Value>(_ name: String, _ body: () async throws -> Value) async throws -> Value {
        let work = NamedWork(name: name, parent: Self.currentWork)
        try self.enter(work)
        defer { self.work.end(work) }
        if Self.currentWork != 0 { return try await body() }
        return try await Self.insideWork(work) { try await body() }
    }

    /// Runs `body` in the background. An error out of it begins a shutdown (`UNHANDLED_REJECTION`).
    ///
    /// - Throws: ``LifecycleError/shuttingDown`` when no new work is accepted any more (never inside other work).
    public func supervise(_ name: String, _ body: @escaping @Sendable () async throws -> Void) throws {
        _ = try self.startTask(NamedWork(name: name)) {
            do {
                try await body()
            } catch let error where !(error is CancellationError && self.phase.isShuttingDown) {
                self.logger.critical(
                    "A background task failed",
                    metadata: ["task.name": "\(name)", "error.type": "\(String(reflecting: type(of: error)))"]
                )
                self.stop(.unhandledRejection, because: error)
            } catch {}
        }
    }

    /// Runs `body` as part of work that the caller has entered in the ledger itself.
    public static func insideWork<Value>(_ work: any Work, _ body: () async throws -> Value) async rethrows -> Value {
        try await Self.$currentWork.withValue(work.workID.value) { try await body() }
    }

    /// The same for a `body` that starts the work's task, which inherits whose it is: cheaper than inside of the task.
    public static func insideWork<Value>(_ work: any Work, starting body: () -> Value) -> Value {
        Self.$currentWork.withValue(work.workID.value) { body() }
    }

    /// Runs `body`, and has `undo` called if a runtime trap ends the work that it is part of meanwhile: then its task never
    /// comes back, and no `defer` of it runs. `undo` is called on the crash guard's thread and must not block.
    public func withTrapHandler<Value>(
        _ undo: @escaping @Sendable () -> Void,
        _ body: () async throws -> Value
    ) async rethrows -> Value {
        let id = self.lastTrapHandlerID.add(1, ordering: .relaxed).newValue
        let work = Self.currentWork
        if work != 0 { self.trapHandlers.withLock { $0.append(TrapHandler(work: work, id: id, action: undo)) } }
        defer {
            if work != 0 { self.trapHandlers.withLock { $0.removeAll { $0.id == id } } }
        }
        return try await body()
    }

    private func enter(_ work: NamedWork) throws(LifecycleError) {
        let parent = Self.currentWork
        let isTaken = parent != 0 ? self.work.begin(work, inside: parent) : self.work.admit(work)
        guard isTaken else { throw .shuttingDown }
    }

    private func startTask(
        _ work: NamedWork,
        _ body: @escaping @Sendable () async -> Void
    ) throws(LifecycleError) -> Task<Void, Never> {
        try self.enter(work)
        let task = Self.insideWork(
            work,
            starting: {
                Task {
                    await body()
                    self.work.end(work)
                }
            })
        let id = work.workID
        work.onCancel {
            // In a task of the same work: the handlers are the application's, and one may block or trap.
            Self.$currentWork.withValue(id.value) { _ = Task { task.cancel() } }
        }
        return task
    }
}
