// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How many file descriptors are open, of those that the process may have.
struct FileDescriptorUsage: Sendable, Equatable {
    let open: UInt64
    /// The soft limit, which is the one that the kernel enforces.
    let limit: UInt64

    /// How many percent of them are open, rounded. Above 100 if the limit was lowered since.
    var percentage: Int {
        let limit = UInt128(self.limit)
        return limit == 0 ? 100 : Int(clamping: (UInt128(self.open) * 100 + limit / 2) / limit)
    }
}
