// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Dispatch
import Foundation
public import Logging
import Synchronization

/// Contains runtime traps: the thread that trapped is lost, everything else in flight is finished, and the process ends
/// with 70 after a graceful shutdown (docs/decisions/0006-traps.md).
///
/// ```swift
/// let lifecycle = Lifecycle(…)
/// try CrashGuard.install(around: lifecycle, recordingIn: "state/last-crash", standardError: .withheld, logger: logger)
/// let answer = try await lifecycle.withWork("POST /form") { try await save(form) }   // throws `.trapped` if it traps
/// ```
///
/// Swift's tasks run on threads of the guard from then on, as many as the process may use processors, and two at least: one
/// that is lost is replaced. What a process cannot survive (SIGSEGV, SIGBUS, SIGFPE, SIGABRT, a stack overflow) still ends
/// it, by the same signal; a record of it is left behind, and the next process logs it.
public final class CrashGuard: Sendable {
    private static let isInstalled = Atomic(false)

    private let lifecycle: Lifecycle
    private let logger: Logger
    private let errors: StandardErrorTap?
    /// Traps that came and are not logged yet.
    private let unlogged = Atomic<Int>(0)
    private let symbolizing = DispatchQueue(label: "med-symbolizer")

    private init(lifecycle: Lifecycle, errors: StandardErrorTap?, logger: Logger) {
        self.lifecycle = lifecycle
        self.errors = errors
        self.logger = logger
    }

    /// Installs the guard, for the rest of the process's life.
    ///
    /// - Parameters:
    ///   - lifecycle: whose shutdown a trap begins, and whose work is finished. Its traps are those of the whole process.
    ///   - recordPath: a file for the record of a crash, made with mode 0600 if it is missing. What the last process left
    ///     there is logged now. None if nil.
    ///   - standardError: what becomes of what is written there. Only with ``StandardErrorPolicy/logged`` may other crash
    ///     handlers run after ours, such as Swift's backtracer, which shows registers and memory.
    ///   - logger: must not write to standard error, as swift-log does by default, unless that stays untouched: what it
    ///     writes would come back to it. If it does all the same, standard error is given back at the first record.
    /// - Throws: ``CrashGuardError``.
    @discardableResult
    public static func install(
        around lifecycle: Lifecycle,
        recordingIn recordPath: String?,
        standardError: StandardErrorPolicy,
        logger: Logger
    ) throws(CrashGuardError) -> CrashGuard {
        guard !Self.isInstalled.exchange(true, ordering: .acquiringAndReleasing) else { throw .installedTwice }
        let key = unsafeBitCast(Lifecycle.$currentWork, to: UnsafeRawPointer.self)
        // A task-local variable is identified by the address of its object, which is what the handler looks for. If a
        // later standard library does it in another way, this says so at the start instead of at a trap.
        let isKeyRight = Lifecycle.$currentWork.withValue(1) { med_crash_guard_current_work(key) == 1 }
        if !isKeyRight { logger.warning("Traps cannot be told whose they are") }

        var record: ReservedFile?
        if let recordPath {
            record = ReservedFile(path: recordPath, logger: logger)
            if let text = record?.take(), !text.isEmpty { CrashRecord(text).log(to: logger) }
        }
        let poolFailure = med_task_pool_install(Int32(max(2, ProcessInfo.processInfo.activeProcessorCount)))
        guard poolFailure == 0 else { throw .system("No threads for the task pool", error: poolFailure) }
        var errors: StandardErrorTap?
        if standardError != .untouched {
            errors = StandardErrorTap(isReadable: standardError == .logged, logger: logger)
            if errors == nil { throw .system("No pipe for standard error", error: errno) }
        }
        let isReadable = standardError == .logged
        let installed = CrashGuard(lifecycle: lifecycle, errors: errors, logger: logger)
        let traps = med_crash_guard_install(
            med_crash_guard(
                work_key: key,
                record: record?.descriptor ?? -1,
                unread_errors: isReadable ? errors?.unread ?? -1 : -1,
                errors: isReadable ? errors?.original ?? -1 : -1,
                in_flight: UnsafePointer(lifecycle.work.published.address)
            )
        )
        guard traps >= 0 else { throw .system("No pipe for traps", error: errno) }
        lifecycle.onFlush { installed.flush(timeout: $0) }
        OwnThread.start("med-traps") { installed.receive(from: traps) }
        errors?.start()
        return installed
    }

    /// Makes the calling thread known as an event loop's: a trap on it says so, and a stack overflow on it leaves a record.
    ///
    /// - Returns: the kernel's number of the thread, as in ``ContainedTrap/threadID``.
    @discardableResult
    public static func prepareEventLoopThread() -> Int32 {
        med_thread_prepare(MED_THREAD_LOOP, nil)
        return med_thread_id()
    }

    /// What a thread is doing, a function a line, innermost first: it is interrupted for a moment. Empty when the thread does
    /// not answer, or there is no guard.
    public static func stack(ofThread thread: Int32) -> [String] {
        guard Self.isInstalled.load(ordering: .acquiring) else { return [] }
        var addresses = [UInt](repeating: 0, count: Int(MED_MAX_FRAMES))
        let count = med_thread_stack(thread, &addresses, Int32(addresses.count))
        return count > 0 ? StackTrace.lines(Array(addresses.prefix(Int(count)))) : []
    }

    /// How many pieces of tasks the guard's threads have begun.
    static var taskPoolProgress: UInt64 { med_task_pool_counts().begun }

    /// What the threads of the task pool are doing, one after the other.
    public static func taskPoolStacks() -> [String] {
        var threads = [pid_t](repeating: 0, count: 64)
        let count = med_threads(MED_THREAD_POOL, &threads, Int32(threads.count))
        return threads.prefix(Int(count)).flatMap { ["thread \($0):"] + Self.stack(ofThread: $0) }
    }

    /// Waits until every trap that came so far is logged, and whatever was written to standard error.
    private func flush(timeout: Duration) {
        let limit = DispatchTime.now() + timeout.dispatchInterval
        while self.errors?.isRead == false || self.unlogged.load(ordering: .acquiring) > 0, .now() < limit {
            usleep(1000)
        }
    }

    // MARK: - The guard's thread

    private func receive(from pipe: Int32) {
        var trap = med_trap()
        while true {
            let count = read(pipe, &trap, MemoryLayout<med_trap>.size)
            guard count == MemoryLayout<med_trap>.size else {
                if count < 0, errno == EINTR { continue }
                return
            }
            self.contain(trap)
        }
    }

    private func contain(_ raw: med_trap) {
        self.unlogged.add(1, ordering: .acquiringAndReleasing)
        let trap = ContainedTrap(raw)
        let work = self.lifecycle.work.entry(trap.work)
        // Whoever waits for an answer comes first, then the log.
        self.lifecycle.contain(trap)
        if raw.kind == MED_THREAD_POOL.rawValue {
            let failure = med_task_pool_replace_thread()
            if failure != 0 {
                self.logger.error("A lost thread is not replaced", metadata: ["error.code": "\(failure)"])
            }
        }
        self.symbolizing.async {
            var metadata: Logger.Metadata = [
                "error.type": "\(trap.signal)",
                "process.thread.id": "\(trap.threadID)",
                "process.thread.name": "\(trap.threadName)",
            ]
            metadata["work.name"] = work.map { "\($0.workName)" }
            metadata["error.stack_trace"] = "\(StackTrace.lines(trap.addresses).joined(separator: "\n"))"
            self.logger.critical("Runtime trap contained", metadata: metadata)
            self.unlogged.subtract(1, ordering: .acquiringAndReleasing)
        }
    }
}

extension ContainedTrap {
    fileprivate init(_ trap: med_trap) {
        var trap = trap
        self.init(
            signal: SignalName.of(trap.signal),
            threadID: trap.thread,
            threadName: withUnsafeBytes(of: &trap.thread_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            },
            work: trap.work,
            addresses: withUnsafeBytes(of: &trap.frames) {
                Array($0.bindMemory(to: UInt.self).prefix(Int(trap.frame_count)))
            }
        )
    }
}
