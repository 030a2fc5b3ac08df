// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Lets the tests open as many connections as the system lets anybody.
package func raiseDescriptorLimit() throws {
    var limit = rlimit()
    // The C library declares the constant as an enumeration of its own.
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(resource, &limit) == 0 else { throw HarnessError.system("getrlimit", errno) }
    limit.rlim_cur = limit.rlim_max
    guard setrlimit(resource, &limit) == 0 else { throw HarnessError.system("setrlimit", errno) }
}
