// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct StartUpProgressTests {
    /// A clock that a test moves.
    private final class Hand: Sendable {
        let instant = Mutex(SuspendingClock.now)
        func move(_ milliseconds: Int) { self.instant.withLock { $0 = $0.advanced(by: .milliseconds(milliseconds)) } }
    }

    private let log = RecordedLog()
    private let hand = Hand()
    private let progress: StartUpProgress

    init() {
        self.progress = StartUpProgress(now: { [hand] in hand.instant.withLock { $0 } }, logger: self.log.logger)
    }

    private typealias Phase = StartUpProgress.Phase

    @Test func `a phase ends when the next begins, and the last with the start-up`() {
        #expect(self.progress.phases.isEmpty)
        self.progress.begin("database")
        self.hand.move(30)
        self.progress.begin("migration")
        self.hand.move(5)
        #expect(
            self.progress.phases == [
                Phase(name: "database", state: .done, failedAttempts: 0, duration: .milliseconds(30)),
                Phase(name: "migration", state: .running, failedAttempts: 0, duration: .milliseconds(5)),
            ]
        )
        self.progress.finish()
        self.hand.move(1000)
        #expect(self.progress.phases.map(\.state) == [.done, .done])
        #expect(self.progress.phases.map(\.duration) == [.milliseconds(30), .milliseconds(5)])
        #expect(
            self.log.messages
                == ["Start-up phase begun", "Start-up phase done", "Start-up phase begun", "Start-up phase done"]
        )
        #expect(self.log.text.contains(#""event.duration": 30000000"#))
    }

    @Test func `an attempt that failed is counted, and the phase goes on`() {
        for _ in 0..<3 {
            self.progress.begin("database")
            self.hand.move(10)
            self.progress.attemptFailed()
            #expect(self.progress.phases.map(\.state) == [.failed])
        }
        self.progress.begin("database")
        self.progress.finish()
        #expect(
            self.progress.phases
                == [Phase(name: "database", state: .done, failedAttempts: 3, duration: .milliseconds(30))]
        )
        #expect(self.log.messages == ["Start-up phase begun", "Start-up phase done"])
    }

    @Test func `a phase that is gone through again, because a later one failed, is one line all the same`() {
        for _ in 0..<100 {
            self.progress.begin("database")
            self.progress.begin("migration")
            self.progress.attemptFailed()
        }
        #expect(self.progress.phases.map(\.state) == [.done, .failed])
        #expect(self.progress.phases.map(\.failedAttempts) == [0, 100])
        self.progress.begin("database")
        #expect(self.progress.phases.map(\.state) == [.running, .failed])
        self.progress.begin("migration")
        self.progress.finish()
        #expect(self.progress.phases.map(\.state) == [.done, .done])
        #expect(self.log.messages.count == 4)
    }
}
