// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a drill did when, in seconds since the start of its load.
struct DrillPhases {
    struct Phase: Sendable, Equatable {
        let title: String
        let isUpdate: Bool
        let start: Double
        var end: Double
    }

    /// The name of a part in which nothing is done.
    static let steady = "steady"

    private let zero: ContinuousClock.Instant
    private(set) var all: [Phase] = []

    init(start: ContinuousClock.Instant) { self.zero = start }

    mutating func begin(_ title: String, isUpdate: Bool = false) {
        let now = (ContinuousClock.now - self.zero) / .seconds(1)
        self.close(now)
        self.all.append(Phase(title: title, isUpdate: isUpdate, start: now, end: .infinity))
    }

    mutating func end() { self.close((ContinuousClock.now - self.zero) / .seconds(1)) }

    private mutating func close(_ now: Double) {
        guard let last = self.all.indices.last else { return }
        self.all[last].end = now
    }
}
