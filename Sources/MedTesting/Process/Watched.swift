// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A value that threads change and tests wait for.
package final class Watched<Value: Sendable>: @unchecked Sendable {
    // Unchecked because `value` is only touched while `condition` is locked.
    private var value: Value
    private let condition = NSCondition()

    package init(_ value: Value) { self.value = value }

    /// Looks at the value as it is now.
    package func read<Result>(_ body: (Value) throws -> Result) rethrows -> Result {
        self.condition.lock()
        defer { self.condition.unlock() }
        return try body(self.value)
    }

    /// Changes the value and wakes whoever waits for a change.
    package func update<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        self.condition.lock()
        defer {
            self.condition.broadcast()
            self.condition.unlock()
        }
        return try body(&self.value)
    }

    /// Blocks the calling thread until `body` finds what it looks for, `seconds` at most.
    package func block<Result>(
        for what: String, within seconds: Double = TestPatience.seconds, until body: (Value) throws -> Result?
    ) throws -> Result {
        let limit = ContinuousClock.now + .seconds(seconds)
        self.condition.lock()
        defer { self.condition.unlock() }
        while true {
            if let found = try body(self.value) { return found }
            let left = limit - ContinuousClock.now
            guard left > .zero else {
                throw HarnessError(.nothingCame, "Waited \(Int(seconds)) s for \(what).")
            }
            // It goes by the time of day, which may be set meanwhile: whether it was woken or not, the clock above decides.
            _ = self.condition.wait(until: Date(timeIntervalSinceNow: left / .seconds(1)))
        }
    }

    /// Waits, without holding a thread of the cooperative pool, until `body` finds what it looks for.
    package func wait<Result: Sendable>(
        for what: String,
        within seconds: Double = TestPatience.seconds,
        until body: @escaping @Sendable (Value) throws -> Result?
    ) async throws -> Result {
        try await onThread { try self.block(for: what, within: seconds, until: body) }
    }
}
