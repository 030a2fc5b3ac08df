// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The process's limit of open files, raised as far as it may be.
enum DescriptorLimit {
    /// What is kept for databases, log, files and the connections of the reserve.
    static let kept = 256

    /// How many connections fit, `wanted` at most and one at least.
    static func connections(atMost wanted: Int) -> Int {
        var limit = rlimit()
        // The C library declares the constant as an enumeration of its own.
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return wanted }
        limit.rlim_cur = limit.rlim_max
        if setrlimit(resource, &limit) != 0 { _ = getrlimit(resource, &limit) }
        return max(1, min(wanted, Int(clamping: limit.rlim_cur) - self.kept))
    }
}
