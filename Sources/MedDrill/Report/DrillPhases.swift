// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a drill did when, in seconds since the start of its load.
struct DrillPhases {
    struct Phase: Sendable, Equatable {
        let title: String
        let kind: Kind
        let start: Double
        var end: Double
    }

    /// What is done in a part.
    enum Kind: Sendable {
        /// Nothing.
        case steady
        case update, fault
    }

    private let zero: ContinuousClock.Instant
    private(set) var all: [Phase] = []

    init(start: ContinuousClock.Instant) { self.zero = start }

    mutating func begin(_ kind: Kind, _ title: String) {
        let now = (ContinuousClock.now - self.zero) / .seconds(1)
        self.close(now)
        self.all.append(Phase(title: title, kind: kind, start: now, end: .infinity))
    }

    mutating func end() { self.close((ContinuousClock.now - self.zero) / .seconds(1)) }

    private mutating func close(_ now: Double) {
        guard let last = self.all.indices.last else { return }
        self.all[last].end = now
    }
}
