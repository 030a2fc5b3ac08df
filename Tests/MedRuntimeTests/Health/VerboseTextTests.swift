// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedRuntime

@Suite struct VerboseTextTests {
    private func text(_ views: [CheckView], excluding excluded: Set<String> = [], passed: Bool = true) -> String {
        var text = VerboseText(excluding: excluded)
        for view in views { text.line(view, among: views) }
        text.verdict("health", passed: passed)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    @Test func `one line a check, and the verdict last`() {
        #expect(
            self.text([view("database"), view("mail", .unhealthy), view("memory", .degraded)])
                == """
                [+]database ok
                [-]mail failed: reason withheld
                [-]memory failed: reason withheld
                health check passed

                """
        )
        #expect(self.text([], passed: false) == "health check failed\n")
    }

    @Test func `what is excluded counts as fine, and says so`() {
        #expect(
            self.text([view("mail", .unhealthy)], excluding: ["mail"])
                == "[+]mail excluded: ok\nhealth check passed\n"
        )
    }

    @Test func `names that exclude nothing are pointed out, and cannot forge a line`() {
        #expect(
            self.text([view("mail")], excluding: ["z", "b\n[+]mail ok", "a\"é"])
                == """
                [+]mail ok
                warn: some health checks cannot be excluded: no matches for "a\\"\\u{00E9}","b\\n[+]mail ok","z"
                health check passed

                """
        )
    }

    @Test func `what nobody can say has failed for now`() {
        let views = [
            view("network", .unhealthy), view("mail", .unhealthy, standing: .unknown, dependencies: ["network"]),
        ]
        #expect(self.text(views).contains("[-]mail failed: unknown without network\n"))
    }
}
