// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The spans of a trace that is not sampled, until it is known how it ends in this process.
///
///     waiting ──the local root ends in an error──▶ kept: these spans and all that end later are exported
///       │
///       └────the local root ends well────────────▶ discarded
final class LocalTrace: Sendable {
    /// The most spans of a trace that wait. What is more is not exported, but for the local root: it says what failed.
    static let maximumCount = 128

    private enum Phase {
        case waiting([SpanRecorder])
        case kept
        case discarded
    }

    private let phase = Mutex(Phase.waiting([]))
    private let slots: LocalTraceSlots

    init(slots: LocalTraceSlots) {
        self.slots = slots
    }

    deinit {
        // A local root that never ends must not keep its place for ever.
        if case .waiting = self.phase.withLock({ $0 }) { self.slots.giveBack() }
    }

    /// Takes note that a span has ended.
    ///
    /// - Returns: the spans that are exported now.
    func ended(_ recorder: SpanRecorder) -> [SpanRecorder] {
        // Looked at before the lock is taken: it takes one of its own.
        let isError = recorder.isLocalRoot && recorder.isServerError
        let (exported, isOver) = self.phase.withLock { phase -> ([SpanRecorder], Bool) in
            switch phase {
            case .waiting(var recorders):
                // So that appending copies nothing.
                phase = .discarded
                guard recorder.isLocalRoot else {
                    if recorders.count < Self.maximumCount {
                        recorders.append(recorder)
                    } else {
                        self.slots.countDrop()
                    }
                    phase = .waiting(recorders)
                    return ([], false)
                }
                phase = isError ? .kept : .discarded
                return (isError ? recorders + [recorder] : [], true)
            case .kept: return ([recorder], false)
            case .discarded: return ([], false)
            }
        }
        if isOver { self.slots.giveBack() }
        return exported
    }
}
