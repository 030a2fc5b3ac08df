// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import FoundationXML
@testable import MedDrill
import Testing

@Suite struct ReportTests {
    private func sample(
        _ sequence: UInt32, due: UInt32, latency: UInt32 = 1000, _ fate: LoadSample.Fate = .answered(200),
        isWrite: Bool = false
    ) -> LoadSample {
        LoadSample(sequence: sequence, due: due, latency: latency, fate: fate, isWrite: isWrite)
    }

    private func report(
        _ samples: [LoadSample], written: [UInt32] = [], events: [DrillEvent] = []
    ) -> DrillReport {
        DrillReport(
            plan: Drill.Plan(),
            phases: [
                .init(title: "steady", kind: .steady, start: 0, end: 1),
                .init(title: "update 1", kind: .update, start: 1, end: 2),
                .init(title: "kill -9 of a replica", kind: .fault, start: 2, end: 3),
            ],
            samples: samples, written: written, events: events)
    }

    @Test func `a request belongs to the part in which it ended`() {
        let report = self.report([
            self.sample(0, due: 500), self.sample(1, due: 990, latency: 20_000, .closed),
            self.sample(2, due: 2500, .answered(502), isWrite: true), self.sample(3, due: 2990, latency: 900_000),
        ])
        #expect(report.parts.map(\.requests) == [1, 1, 2])
        #expect(report.parts.map(\.failures) == [[:], ["GET closed before an answer": 1], ["POST answered 502": 1]])
        #expect(!report.isFlawless)
    }

    @Test func `a request that was on its way during an update counts there, whenever it fails`() {
        let report = self.report([self.sample(0, due: 1900, latency: 60_000_000, .missing), self.sample(1, due: 2900)])
        #expect(report.parts.map(\.requests) == [0, 0, 2])
        #expect(report.failedInUpdates == 1)
        #expect(!report.isFlawless)
        // One that hangs for a second belongs to the part in which it hung.
        let hung = self.report([self.sample(0, due: 200, latency: 60_000_000, .missing), self.sample(1, due: 1500)])
        #expect(hung.parts.map(\.requests) == [0, 2, 0])
    }

    @Test func `what a replica did unasked, and an end before the end, are no success`() {
        let phases = [DrillPhases.Phase(title: "steady", kind: .steady, start: 0, end: 1)]
        let write = self.sample(0, due: 100, isWrite: true)
        let good = DrillReport(plan: Drill.Plan(), phases: phases, samples: [write], written: [0], events: [])
        #expect(good.isFlawless)
        // Nor is one in which nothing was written, or something failed while nothing was done.
        #expect(!DrillReport(plan: Drill.Plan(), phases: phases, samples: [], written: [], events: []).isFlawless)
        let failing = DrillReport(
            plan: Drill.Plan(), phases: phases, samples: [write, self.sample(1, due: 200, .refused)], written: [0],
            events: [])
        #expect(!failing.isFlawless)
        let found = DrillReport(
            plan: Drill.Plan(), phases: phases, samples: [write], written: [0], events: [],
            findings: ["replica-1 ended"])
        #expect(!found.isFlawless)
        #expect(found.table.contains("Unwanted: replica-1 ended."))
        let aborted = DrillReport(
            plan: Drill.Plan(), phases: phases, samples: [write], written: [0], events: [],
            aborted: "No replica is ready.")
        #expect(!aborted.isFlawless)
        #expect(aborted.table.contains("Aborted: No replica is ready."))
    }

    @Test func `a failure outside of the updates is told, and held against nobody`() {
        let report = self.report(
            [self.sample(0, due: 500, isWrite: true), self.sample(1, due: 2500, .refused)], written: [0])
        #expect(report.parts.map(\.failed) == [0, 0, 1])
        #expect(report.isFlawless)
        #expect(report.table.contains("1 × GET refused"))
        #expect(report.table.contains("Rolling updates: 1, with 0 failed requests."))
    }

    @Test func `a write that was acknowledged and is not there is missing, one that is there twice is told`() {
        let samples = [
            self.sample(10, due: 100, isWrite: true), self.sample(20, due: 200, isWrite: true),
            self.sample(30, due: 2300, .closed, isWrite: true),
        ]
        let report = self.report(samples, written: [10, 10, 30])
        #expect((report.acknowledged, report.missing, report.repeated) == (2, 1, 1))
        #expect(!report.isFlawless)
        #expect(report.table.contains("2 acknowledged, 1 of them missing, 1 stored twice"))
        #expect(self.report(samples, written: [10, 20]).isFlawless)
    }

    @Test func `quantiles are of the nearest rank`() {
        let hundred = (1...100).map { UInt32($0 * 1000) }
        #expect((hundred.quantile(0.5), hundred.quantile(0.99), hundred.quantile(1)) == (50, 99, 100))
        #expect([UInt32(7000)].quantile(0.5) == 7)
        #expect([UInt32]().quantile(0.99) == 0)
    }

    @Test func `the picture is well-formed, and shows every part, every place and every failure`() throws {
        let events = [
            DrillEvent(time: 0, slot: 0, state: .ready), DrillEvent(time: 1.5, slot: 0, state: .gone, exit: "exit 0"),
            DrillEvent(time: 0, slot: 1, state: .gone),
        ]
        let report = self.report(
            [self.sample(0, due: 500), self.sample(1, due: 2500, .refused), self.sample(2, due: 4200)], events: events)
        let text = report.picture
        let elements = try Elements(of: text)
        #expect(elements.names.count { $0 == "polyline" } == 3)
        #expect(elements.text.contains("kill -9 of a replica"))
        #expect(elements.text.contains("place 2"))
        // Second 2 of 4 is the highest of the failures, and is drawn at the top of its panel; the fifth is not over.
        #expect(text.contains("652.5,286.0"))
        #expect(!text.contains("1102.5,"))
        #expect(!text.contains("href"))
        #expect(report.endings == ["exit 0": 1])
    }

    /// What an XML parser finds.
    private final class Elements: NSObject, XMLParserDelegate {
        private(set) var names: [String] = []
        private(set) var text = ""

        init(of text: String) throws {
            super.init()
            let parser = XMLParser(data: Data(text.utf8))
            parser.delegate = self
            guard parser.parse() else { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
        }

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) { self.names.append(name) }

        func parser(_ parser: XMLParser, foundCharacters string: String) { self.text += string }
    }
}
