// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How much of the memory that it may use is in use, as `/health` shows it.
///
/// In a container with a limit it is the container's working set of that limit; otherwise it is the resident set of
/// this process of the machine's memory. ``MemoryUsageReader`` finds out which.
public struct MemoryUsage: Sendable, Equatable {
    /// What is in use, in bytes.
    public let usedBytes: UInt64
    /// What is in use, in MiB, rounded.
    public let usedMiB: Int
    /// What it is part of, in MiB, rounded.
    public let totalMiB: Int
    /// The bytes in use of all bytes in percent, rounded. The kernel lets usage exceed a limit for a moment, so it can
    /// be above 100.
    public let percentage: Int

    /// The usage for byte values; the total is above zero.
    package init(usedBytes: UInt64, totalBytes: UInt64) {
        precondition(totalBytes > 0, "There is no percentage of nothing.")
        self.usedBytes = usedBytes
        self.usedMiB = Self.mebibytes(usedBytes)
        self.totalMiB = Self.mebibytes(totalBytes)
        // 128 bits, so that no content of a kernel file can overflow.
        let total = UInt128(totalBytes)
        self.percentage = Int(clamping: (UInt128(usedBytes) * 100 + total / 2) / total)
    }

    private static func mebibytes(_ bytes: UInt64) -> Int {
        Int(bytes >> 20) + Int(bytes >> 19 & 1)
    }
}
