// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import MedStorage

extension Database {
    /// What a check finds that is not merely late: a driver gives it little time, and a busy machine not always enough.
    package func settledCheck() async -> DatabaseCheck {
        await settled({ await self.check() }) { $0.problem?.code != .timeout && $0.problem?.code != .notReachable }
    }
}
