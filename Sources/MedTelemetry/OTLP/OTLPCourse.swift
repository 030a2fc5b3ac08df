// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How a signal fares with its collector, told when it changes, and once a minute for as long as it is bad.
struct OTLPCourse {
    enum News: Equatable {
        /// Something is refused, given up or tried in vain; so many items are lost since this was told last. The reasons: of these
        /// losses, that of the most first, and of the last request that was not taken, if that is another one.
        case failing([OTLPFailure], lost: Int)
        /// Everything is taken again.
        case recovered
    }

    private static let pause = Duration.seconds(60)

    private var last = OTLPCounters()
    private var told = OTLPCounters()
    private var toldAt: Duration?

    /// What is to be told now that the counters are these.
    ///
    /// - Parameters:
    ///   - now: the time since any beginning.
    ///   - isLast: whether nobody will ask again: then a loss that was not told yet does not wait.
    mutating func next(_ counters: OTLPCounters, now: Duration, isLast: Bool = false) -> News? {
        defer { self.last = counters }
        let isTaken = counters.exportedBatches > self.last.exportedBatches
        let isUntold = isLast && counters.dropped > self.told.dropped
        let isBad =
            isUntold || counters.dropped > self.last.dropped || counters.failedBatches > self.last.failedBatches
            || counters.retries > self.last.retries && !isTaken
        if isBad {
            if let toldAt, now - toldAt < Self.pause, !isUntold { return nil }
            self.toldAt = now
            defer { self.told = counters }
            let losses = counters.losses.map { (reason: $0, count: $1 - self.told.losses[$0, default: 0]) }
            let isRefused = counters.failedBatches > self.last.failedBatches || counters.retries > self.last.retries
            var reasons = losses.filter { $0.count > 0 }
                .sorted { ($1.count, $0.reason.description) < ($0.count, $1.reason.description) }.map(\.reason)
            if isRefused, let failure = counters.lastFailure, !reasons.contains(failure) { reasons.append(failure) }
            return .failing(reasons, lost: counters.dropped - self.told.dropped)
        }
        guard self.toldAt != nil, isTaken else { return nil }
        self.toldAt = nil
        self.told = counters
        return .recovered
    }
}
