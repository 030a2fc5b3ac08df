// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

@testable import MedTelemetry

/// A sink that keeps what it is given.
final class SpanList: Sendable {
    private let list = Mutex<[FinishedSpan]>([])

    var all: [FinishedSpan] { self.list.withLock { $0 } }
    var names: [String] { self.all.map(\.name) }

    func add(_ span: FinishedSpan) { self.list.withLock { $0.append(span) } }
}
