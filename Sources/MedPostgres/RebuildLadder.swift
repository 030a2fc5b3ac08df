// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What to do about a pool that gives nothing out although the database answers others: first other connections, then everything
/// anew, and only then is it a problem.
///
///     fine ──dead for 5 s──▶ connections were replaced ──dead for 5 s more──▶ driver was rebuilt ──dead for 5 s more──▶ a problem
///      ▲                                                                                                                 │
///      └───────────────────────────────────────────something moved───────────────────────────────────────────────────────┘
struct RebuildLadder {
    enum Step: Equatable { case none, replaceConnections, rebuildDriver, report }

    private enum State { case fine, replaced, rebuilt, reported }

    /// For how long a step may show that it has helped.
    static let patience = Duration.seconds(5)

    private var state = State.fine
    private var since: ContinuousClock.Instant?

    /// What to do now, given for how long the pool has been dead while the database answers.
    mutating func next(stalledFor: Duration, now: ContinuousClock.Instant) -> Step {
        guard stalledFor >= Self.patience else {
            // A step makes the pool count from the beginning; it has helped only when the time is over.
            if let since, now - since < Self.patience * 2 { return self.state == .reported ? .report : .none }
            self.state = .fine
            self.since = nil
            return .none
        }
        self.since = now
        switch self.state {
        case .fine:
            self.state = .replaced
            return .replaceConnections
        case .replaced:
            self.state = .rebuilt
            return .rebuildDriver
        case .rebuilt, .reported:
            self.state = .reported
            return .report
        }
    }
}
