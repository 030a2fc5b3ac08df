// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CMedRuntime
import Foundation

/// The plain threads that this module works on. A runtime trap on one of them is not contained: the containing and the
/// shutdown themselves depend on them.
enum OwnThread {
    static func start(_ name: String, containsTraps: Bool = false, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            med_thread_prepare(containsTraps ? MED_THREAD_OTHER : MED_THREAD_OWN)
            body()
        }
        thread.name = name
        thread.stackSize = 512 * 1024
        thread.start()
    }
}
