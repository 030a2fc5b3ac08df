// MedBuilder
// SPDX-License-Identifier: Apache-2.0

@testable import MedRuntime

/// Waits until the lifecycle has come as far as `phase`, or farther.
func reached(_ phase: Phase, by lifecycle: Lifecycle) async {
    while lifecycle.phase.rawValue < phase.rawValue { try? await Task.sleep(for: .milliseconds(1)) }
}

/// Waits until something is in flight.
func begun(_ lifecycle: Lifecycle) async {
    while lifecycle.work.count == 0 { try? await Task.sleep(for: .milliseconds(1)) }
}
