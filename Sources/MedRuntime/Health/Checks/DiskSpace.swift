// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How much room a file system has for this process, which may not use what is kept for the superuser.
struct DiskSpace: Sendable, Equatable {
    /// Bytes, or files.
    struct Room: Sendable, Equatable {
        let used: UInt64
        let available: UInt64

        /// What the process could use if there were nothing yet.
        var total: UInt64 {
            let (total, overflow) = self.used.addingReportingOverflow(self.available)
            return overflow ? .max : total
        }

        /// How much of it is used, in percent, rounded.
        var percentage: Int {
            let total = UInt128(self.total)
            return total == 0 ? 100 : Int(clamping: (UInt128(self.used) * 100 + total / 2) / total)
        }

        /// Below which amounts it is degraded and unhealthy: a tenth and a twentieth of the total, or what is given if that
        /// is less.
        ///
        /// A share alone, as alerting rules have it, rings for terabyte disks with 90 GiB to spare; an amount alone is never
        /// reached, or always, on the small volumes and tmpfs mounts of containers. The smaller of both leaves each
        /// volume some room in which it is well.
        func limits(degraded: UInt64, unhealthy: UInt64) -> (degraded: UInt64, unhealthy: UInt64) {
            (min(self.total / 10, degraded), min(self.total / 20, unhealthy))
        }

        func status(limits: (degraded: UInt64, unhealthy: UInt64)) -> HealthStatus {
            if self.available < limits.unhealthy { return .unhealthy }
            return self.available < limits.degraded ? .degraded : .healthy
        }
    }

    /// A folder that the file system holds.
    let folder: String
    let bytes: Room
    /// `nil` where the file system has no fixed number of inodes.
    let files: Room?

    /// 1 GiB is time to act for whoever is told; with 64 MiB a checkpoint of the database or one spill file may already
    /// fail, and the server says so while it can still write its last records.
    var byteLimits: (degraded: UInt64, unhealthy: UInt64) { self.bytes.limits(degraded: 1 << 30, unhealthy: 64 << 20) }

    /// A server of this kind makes a few hundred files at most, so these numbers are large for it.
    var fileLimits: (degraded: UInt64, unhealthy: UInt64) {
        self.files?.limits(degraded: 10_000, unhealthy: 1_000) ?? (0, 0)
    }

    var byteStatus: HealthStatus { self.bytes.status(limits: self.byteLimits) }
    var fileStatus: HealthStatus { self.files?.status(limits: self.fileLimits) ?? .healthy }
    var status: HealthStatus { max(self.byteStatus, self.fileStatus) }
}
