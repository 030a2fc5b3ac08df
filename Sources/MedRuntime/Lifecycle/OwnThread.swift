// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Foundation

/// The plain threads that health, shutdown and the crash guard work on. A runtime trap on one of them is not contained:
/// the containing itself depends on them.
package enum OwnThread {
    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: 15 bytes at most.
    ///   - containsTraps: Whether a trap is contained all the same: the thread runs code of the application, and the process
    ///     can do without it.
    package static func start(_ name: String, containsTraps: Bool = false, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            med_thread_prepare(containsTraps ? MED_THREAD_OTHER : MED_THREAD_OWN, name)
            body()
        }
        thread.stackSize = 512 * 1024
        thread.start()
    }
}
