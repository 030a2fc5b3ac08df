// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How long the harness waits before it calls a wait a hang.
///
/// It is no claim about speed: whatever a test waits for comes in a moment or never, and a test that hangs should fail
/// with a sentence instead of holding up the run.
package enum TestPatience {
    /// The longest any single wait takes.
    package static let seconds = 180.0 + Self.soakSeconds
    /// The longest any process lives, and a tool works: with all suites beside it on a small machine that is several
    /// times what it takes alone.
    package static let processSeconds = 600.0 + Self.soakSeconds
    /// The longest a process lives that serves many tests, one after the other.
    package static let helperSeconds = 3600.0 + Self.soakSeconds
    /// The longest a tool runs that fetches packages: a mirror may be slow.
    package static let installSeconds = 900.0
    /// What the long form of a test adds, by `make soak`.
    private static let soakSeconds =
        ProcessInfo.processInfo.environment["MED_SOAK_SECONDS"].flatMap { Double($0) } ?? 0
}

/// Runs blocking work on a thread of its own: the tests' cooperative pool has two threads on a small machine.
package func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
    }
}

/// What `ask` gives as soon as that is settled; what it gave last, if it never is.
package func settled<Value>(
    _ ask: () async throws -> Value, when isSettled: (Value) -> Bool
) async rethrows -> Value {
    let limit = ContinuousClock.now + .seconds(TestPatience.seconds)
    var value = try await ask()
    while !isSettled(value), ContinuousClock.now < limit {
        try? await Task.sleep(for: .milliseconds(20))
        value = try await ask()
    }
    return value
}

/// The system's words for an `errno`.
func describe(errno number: Int32) -> String {
    String(cString: strerror(number))
}
