// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The processors of this machine that the tests may use.
package enum Processors {
    /// The number of the first of them, as `taskset` takes it: a container or its owner may have kept number 0 for others.
    package static let first: String = {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return status.firstMatch(of: /Cpus_allowed_list:\t([0-9]+)/).map { String($0.output.1) } ?? "0"
    }()
}
