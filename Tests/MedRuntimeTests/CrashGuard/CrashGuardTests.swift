// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Logging
import Synchronization
import Testing

@testable import MedRuntime

/// The guard as a library, each time in a process of its own, because it can be installed once in a process.
@Suite struct CrashGuardTests {
    @Test func `a trap in work is thrown to whoever waits for it, and the process ends with 70`() async {
        await #expect(processExitsWith: .exitCode(70)) {
            let lifecycle = guarded()
            lifecycle.started()
            do {
                _ = try await lifecycle.withWork("trapping") { index([1, 2, 3], 3) }
                _exit(10)
            } catch LifecycleError.trapped as LifecycleError {
                await forEver()
            } catch {
                _exit(11)
            }
        }
    }

    @Test func `a trap on any thread is contained`() async {
        await #expect(processExitsWith: .exitCode(70)) {
            let lifecycle = guarded()
            lifecycle.started()
            DispatchQueue.global().async { _ = index([], 0) }
            await forEver()
        }
    }

    @Test func `more traps than the pool has threads, twice over, are contained`() async {
        await #expect(processExitsWith: .exitCode(70)) {
            let lifecycle = guarded(drainDelay: .milliseconds(500))
            lifecycle.started()
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        do {
                            _ = try await lifecycle.withWork("trapping") {
                                // Once the first has trapped, nobody is let in for long.
                                begunCount.add(1, ordering: .relaxed)
                                while begunCount.load(ordering: .relaxed) < 20 {
                                    try await Task.sleep(for: .milliseconds(1))
                                }
                                return index([], 0)
                            }
                            return false
                        } catch {
                            return (error as? LifecycleError) == .trapped
                        }
                    }
                }
                for await isTold in group where !isTold { _exit(12) }
            }
            await forEver()
        }
    }

    @Test func `a clean-up that traps does not prevent the exit`() async {
        await #expect(processExitsWith: .exitCode(70)) {
            let lifecycle = guarded()
            lifecycle.onCleanUp("trapping") { _ = index([], 0) }
            lifecycle.started()
            lifecycle.stop(.sigterm)
            await forEver()
        }
    }

    @Test func `a deadline is kept, whatever a trap has left locked`() async {
        await #expect(processExitsWith: .exitCode(1)) {
            let lifecycle = guarded(grace: .milliseconds(100), deadline: .milliseconds(700))
            lifecycle.started()
            let others = (0..<200).map { number in
                Task {
                    try? await lifecycle.withWork("waits for the lock") {
                        while !isLocked.load(ordering: .acquiring) { try? await Task.sleep(for: .milliseconds(1)) }
                        sharedNumber.withLock { $0 += number }
                    }
                }
            }
            _ = try? await lifecycle.withWork("trapping") {
                sharedNumber.withLock { number in
                    isLocked.store(true, ordering: .releasing)
                    number += index([], 0)
                }
            }
            for other in others { await other.value }
        }
    }

    @Test func `a second guard is refused`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let lifecycle = guarded()
            do throws(CrashGuardError) {
                try CrashGuard.install(
                    around: lifecycle, recordingIn: nil, standardError: .logged, logger: Logger(label: "test"))
            } catch {
                _exit(error.code == .installedTwice ? 7 : 8)
            }
        }
    }

    @Test func `what is written to standard error becomes a record`() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let logger = Logger(label: "test") { StreamLogHandler.standardOutput(label: $0) }
            let lifecycle = Lifecycle(
                configuration: ShutdownConfiguration(), logger: logger, lastWords: { _ in }, exit: { _exit($0) })
            guard
                (try? CrashGuard.install(
                    around: lifecycle, recordingIn: nil, standardError: .logged, logger: logger)) != nil
            else { _exit(9) }
            FileHandle.standardError.write(Data("one\ntwo\n".utf8))
            lifecycle.stop(.sigterm)
            await forEver()
        }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        #expect(output.contains("stderr.text=one"))
        #expect(output.contains("stderr.text=two"))
    }

    @Test func `what is withheld is withheld, whatever it says`() async throws {
        let result = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardErrorContent, \.standardOutputContent]
        ) {
            let logger = Logger(label: "test") { StreamLogHandler.standardOutput(label: $0) }
            let lifecycle = Lifecycle(configuration: ShutdownConfiguration(), logger: logger)
            guard
                (try? CrashGuard.install(
                    around: lifecycle, recordingIn: nil, standardError: .withheld, logger: logger)) != nil
            else { _exit(9) }
            for text in ["Lovelace", "Traps are contained Lovelace", "Written to standard error Lovelace"] {
                FileHandle.standardError.write(Data("\(text)\n".utf8))
                usleep(50_000)
            }
            lifecycle.stop(.sigterm)
            await forEver()
        }
        let observed = try #require(result)
        let output = String(decoding: observed.standardOutputContent, as: UTF8.self)
        #expect(output.contains("[withheld]"))
        #expect(!output.contains("Lovelace"))
        #expect(!String(decoding: observed.standardErrorContent, as: UTF8.self).contains("Lovelace"))
    }

    @Test func `a breakpoint is a crash`() async {
        await #expect(processExitsWith: .signal(SIGTRAP)) {
            _ = guarded()
            raise(SIGTRAP)
            await forEver()
        }
    }

    @Test func `a logger that writes to standard error gets it back`() async throws {
        let result = await #expect(processExitsWith: .exitCode(70), observing: [\.standardErrorContent]) {
            let logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
            let lifecycle = Lifecycle(configuration: ShutdownConfiguration(), logger: logger)
            guard
                (try? CrashGuard.install(
                    around: lifecycle, recordingIn: nil, standardError: .logged, logger: logger)) != nil
            else { _exit(9) }
            FileHandle.standardError.write(Data("one\n".utf8))
            usleep(200_000)
            FileHandle.standardError.write(Data("two\n".utf8))
            _ = try? await lifecycle.withWork("trapping") { index([], 0) }
            await forEver()
        }
        let errors = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        for text in ["one", "two", "Runtime trap contained", "Graceful shutdown complete"] {
            #expect(errors.contains(text), "\(text) is missing in: \(errors)")
        }
    }

    @Test func `the stack of another thread can be read`() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            _ = guarded()
            Thread.detachNewThread {
                loopThread.withLock { $0 = CrashGuard.prepareEventLoopThread() }
                dwell()
            }
            while loopThread.withLock({ $0 }) == 0 { usleep(1000) }
            // It may not have got there yet.
            var stack: [String] = []
            for _ in 0..<60_000 where !stack.contains(where: { $0.contains("dwell") }) {
                stack = CrashGuard.stack(ofThread: loopThread.withLock { $0 })
                usleep(1000)
            }
            print(stack.joined(separator: "\n"))
            fflush(nil)
            guard stack.contains(where: { $0.contains("dwell") }) else { _exit(10) }
            // Nobody has this number.
            precondition(CrashGuard.stack(ofThread: Int32.max).isEmpty)
        }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        #expect(output.contains("dwell"), "\(output)")
    }
}

private func guarded(
    drainDelay: Duration = .zero,
    grace: Duration = .seconds(60),
    deadline: Duration = .seconds(120)
) -> Lifecycle {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let lifecycle = Lifecycle(
        configuration: ShutdownConfiguration(drainDelay: drainDelay, grace: grace, deadline: deadline),
        logger: logger,
        lastWords: { _ in },
        exit: { _exit($0) }
    )
    do {
        try CrashGuard.install(around: lifecycle, recordingIn: nil, standardError: .logged, logger: logger)
    } catch {
        _exit(9)
    }
    return lifecycle
}

// What an exit test shares between its tasks has to be global.
private let sharedNumber = Mutex(0)
private let begunCount = Atomic<Int>(0)
private let isLocked = Atomic<Bool>(false)
private let loopThread = Mutex<Int32>(0)

/// Traps when there is no such element.
@inline(never)
private func index(_ numbers: [Int], _ index: Int) -> Int { numbers[index] }

@inline(never)
private func dwell() { while true { usleep(10_000) } }

private func forEver() async { while true { try? await Task.sleep(for: .seconds(3600)) } }
