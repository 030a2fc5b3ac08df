// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct HealthGroupTests {
    private let group = HealthGroup("edge", checks: ["a", "b"], required: ["a"])

    @Test func `what is not required makes a group degraded at most`() {
        #expect(self.group.status(of: [view("a"), view("b")]) == .healthy)
        #expect(self.group.status(of: [view("a"), view("b", .unhealthy)]) == .degraded)
        #expect(self.group.status(of: [view("a", .degraded), view("b")]) == .degraded)
        #expect(self.group.status(of: [view("a", .unhealthy, readiness: .ignored), view("b")]) == .unhealthy)
    }

    @Test func `what is missing or unknown counts as down`() {
        #expect(self.group.status(of: [view("b")]) == .unhealthy)
        #expect(self.group.status(of: [view("a")]) == .degraded)
        #expect(self.group.status(of: [view("a", standing: .unknown), view("b")]) == .unhealthy)
    }

    @Test func `what is excluded does not count`() {
        #expect(self.group.status(of: [view("a", .unhealthy), view("b")], excluding: ["a"]) == .healthy)
        #expect(self.group.status(of: [view("b")], excluding: ["a"]) == .healthy)
    }
}
