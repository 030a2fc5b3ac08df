// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a drill came to.
public struct DrillReport: Sendable {
    /// One part of a drill, and what its clients saw. A request belongs to the part in which it ended, or in which it had waited for a
    /// second: one that was on its way when a fault struck is the fault's, and one that hangs is not that of the next fault.
    public struct Part: Sendable, Equatable {
        /// What was done.
        public var title: String
        var kind: DrillPhases.Kind
        /// How long it took, in seconds.
        public var seconds: Double
        /// How many requests ended.
        public var requests: Int
        /// How many of them failed: neither the client nor the proxy got what was asked for, after every retry.
        public var failures: [String: Int]
        /// How many were sent twice by the client.
        public var retried: Int
        /// Latencies of those that succeeded, in milliseconds, from when they were due.
        public var median, p99, slowest: Double

        /// Whether it is a rolling update, in which no request may fail.
        public var isUpdate: Bool { self.kind == .update }
        /// How many requests failed.
        public var failed: Int { self.failures.values.reduce(0, +) }
    }

    let plan: Drill.Plan
    /// In the order in which they were done.
    public let parts: [Part]
    /// How many writes were acknowledged.
    public let acknowledged: Int
    /// How many acknowledged writes the database does not have.
    public let missing: Int
    /// How many writes it has more than once: repeated by a client or a proxy that could not know.
    public let repeated: Int
    /// How many requests failed that were on their way during a rolling update, whenever they ended.
    public let failedInUpdates: Int
    /// What replicas did that nobody wanted.
    public let findings: [String]
    /// Why the drill was not done to its end.
    public let aborted: String?
    /// What was seen of each replica.
    public let events: [DrillEvent]
    let samples: [LoadSample]

    init(
        plan: Drill.Plan, phases: [DrillPhases.Phase], samples: [LoadSample], written: [UInt32], events: [DrillEvent],
        findings: [String] = [], aborted: String? = nil
    ) {
        self.plan = plan
        self.parts = phases.enumerated().map { index, phase in
            // What ends after the last of them is still of the last of them.
            let end = index == phases.count - 1 ? .infinity : phase.end
            return Part(phase, samples.filter { phase.start <= $0.moment && $0.moment < end })
        }
        let updates = phases.filter { $0.kind == .update }
        self.failedInUpdates = samples.count { sample in
            !sample.fate.isSuccess && updates.contains { sample.start < $0.end && $0.start <= sample.end }
        }
        self.findings = findings
        self.aborted = aborted
        let counts = Dictionary(written.map { ($0, 1) }, uniquingKeysWith: +)
        let acknowledged = samples.filter { $0.isWrite && $0.fate.isSuccess }.map(\.sequence)
        self.acknowledged = acknowledged.count
        self.missing = acknowledged.count { counts[$0] == nil }
        self.repeated = counts.values.count { $0 > 1 }
        self.events = events
        self.samples = samples
    }

    /// How many processes of replicas have ended how: `exit 0` after a SIGTERM, `exit 70` after a trap, `signal 9` after `kill -9`.
    public var endings: [String: Int] {
        Dictionary(self.events.compactMap(\.exit).map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// Whether it was done to its end, no request failed in a rolling update or while nothing was done, no acknowledged write is missing, and
    /// every replica ended only when and as it was to. Without a write there is nothing that it could have shown.
    public var isFlawless: Bool {
        self.aborted == nil && self.findings.isEmpty && self.acknowledged > 0 && self.missing == 0
            && self.failedInUpdates == 0 && self.parts.allSatisfy { $0.kind != .steady || $0.failed == 0 }
    }
}

extension DrillReport.Part {
    init(_ phase: DrillPhases.Phase, _ samples: [LoadSample]) {
        self.title = phase.title
        self.kind = phase.kind
        self.seconds = phase.end - phase.start
        self.requests = samples.count
        self.retried = samples.count(where: \.wasRetried)
        self.failures = Dictionary(
            samples.filter { !$0.fate.isSuccess }.map { ("\($0.isWrite ? "POST" : "GET") \($0.fate.words)", 1) },
            uniquingKeysWith: +)
        let latencies = samples.filter(\.fate.isSuccess).map(\.latency).sorted()
        self.median = latencies.quantile(0.5)
        self.p99 = latencies.quantile(0.99)
        self.slowest = latencies.quantile(1)
    }
}

extension LoadSample.Fate {
    /// What became of it, in the words of the report.
    var words: String {
        switch self {
        case .answered(let status): "answered \(status)"
        case .refused: "refused"
        case .closed: "closed before an answer"
        case .cut: "answer cut"
        case .malformed: "no HTTP"
        case .missing: "no answer"
        }
    }
}

extension [UInt32] {
    /// A quantile of sorted microseconds, in milliseconds; the nearest rank. 0 if there are none.
    func quantile(_ part: Double) -> Double {
        guard !self.isEmpty else { return 0 }
        let rank = Int((part * Double(self.count)).rounded(.up))
        return Double(self[Swift.max(rank, 1) - 1]) / 1000
    }
}
