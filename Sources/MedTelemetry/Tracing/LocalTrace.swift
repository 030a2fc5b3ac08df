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
        case waiting([SpanRecorder], size: Int)
        case kept
        case discarded
    }

    private let phase = Mutex(Phase.waiting([], size: 0))
    private let slots: LocalTraceSlots

    init(slots: LocalTraceSlots) {
        self.slots = slots
    }

    deinit { self.abandon() }

    /// Discards what waits, and gives back its place: the local root never ends.
    func abandon() {
        let size = self.phase.withLock { phase -> Int? in
            guard case .waiting(_, let size) = phase else { return nil }
            phase = .discarded
            return size
        }
        if let size { self.slots.giveBack(size: size) }
    }

    /// Takes note that a span has ended.
    ///
    /// - Returns: the spans that are exported now.
    func ended(_ recorder: SpanRecorder) -> [SpanRecorder] {
        // Looked at before the lock is taken: it takes one of its own.
        let isError = recorder.isLocalRoot && recorder.isServerError
        let recorderSize = recorder.isLocalRoot ? 0 : recorder.size
        let (exported, freed) = self.phase.withLock { phase -> ([SpanRecorder], Int?) in
            switch phase {
            case .waiting(var recorders, let size):
                // So that appending copies nothing.
                phase = .discarded
                guard recorder.isLocalRoot else {
                    if recorders.count < Self.maximumCount, self.slots.reserve(recorderSize) {
                        recorders.append(recorder)
                        phase = .waiting(recorders, size: size + recorderSize)
                    } else {
                        self.slots.countDrop()
                        phase = .waiting(recorders, size: size)
                    }
                    return ([], nil)
                }
                phase = isError ? .kept : .discarded
                return (isError ? recorders + [recorder] : [], size)
            case .kept: return ([recorder], nil)
            case .discarded: return ([], nil)
            }
        }
        if let freed { self.slots.giveBack(size: freed) }
        return exported
    }
}
