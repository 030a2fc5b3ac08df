// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// `docs/runbook.md`: whoever is paged finds a section, and commands that work.
@Suite(.endToEnd) struct RunbookTests {
    /// A block of commands.
    private struct Block {
        let text: String
        /// The comment before it, if it is one for the tests.
        let mark: String?
    }

    private static let settingsMark = "<!-- settings for the commands -->"
    private static let clusterMark = "<!-- not run by the tests: needs a cluster -->"

    private func blocks() throws -> [Block] {
        let page = try Project.text("docs/runbook.md")
        return page.matches(of: /(?:(<!-- .* -->)\n)?```sh\n((?:(?!```).*\n)*)```/).map {
            Block(text: String($0.2), mark: $0.1.map(String.init))
        }
    }

    @Test func `each alert and each symptom leads to a section`() async throws {
        #expect(try await askReferee("alerts", "runbook") == "")
        let page = try Project.text("docs/runbook.md")
        for symptom in ["degraded", "readiness fails", "a shutdown times out", "crash loop"] {
            let row = try #require(
                page.firstMatch(of: try Regex(#"\n\| \#(symptom).*\| \[(\w+)\]\(#(\w+)\) \|\n"#)), "\(symptom)")
            let title = try #require(row.output[1].substring)
            #expect(row.output[2].substring == Substring(title.lowercased()))
            #expect(page.contains("\n## \(title)\n"), "\(symptom)")
        }
    }

    @Test func `only commands for a cluster are not run, and there are few`() throws {
        let blocks = try self.blocks()
        let forClusters = blocks.filter { $0.mark == Self.clusterMark }
        #expect(blocks.count > 20 && forClusters.count <= 4)
        for block in forClusters {
            for line in block.text.split(separator: "\n") where line != "export NAMESPACE=medbuilder" {
                #expect(line.contains(#/^(export POD=\$\()?kubectl /#), "\(line)")
            }
        }
        for block in blocks where block.mark != Self.clusterMark {
            #expect(!block.text.contains("kubectl"), "\(block.text)")
            #expect(block.mark == nil || block.mark == Self.settingsMark, "\(block.mark ?? "")")
        }
        let fences = try Project.text("docs/runbook.md").matches(of: /(?m)^```/).count
        #expect(fences == 2 * blocks.count, "There is a block of another kind.")
    }

    @Test func `every command works, and every query has an answer`() async throws {
        let collector = try RecordingCollector()
        defer { collector.stop() }
        let database = try await startPostgres()
        let environment = ["DATABASE_URL": database.url("postgres")]
        // One that crashes, one whose shutdown is forced, and one that runs: the log is that of the last two.
        let crashed = try await drillServer(environment)
        _ = try? await crashed.get("/_drill/segv")
        #expect(try await crashed.waitForExit() == .signal(SIGSEGV))
        let forced = try await forceShutdown(environment)
        let management = try FreePort.next()
        let server = try await drillServer(environment.merging(["MANAGEMENT_PORT": "\(management)"]) { $1 })
        let loads = [
            SteadyLoad.start(port: try await server.port, target: "/_drill/rows", perSecond: 20, connections: 1),
            SteadyLoad.start(port: try await server.port, target: "/_drill/throw", perSecond: 20, connections: 1),
        ]
        let alertmanager = try await Deployed.startAlertmanager(telling: collector, hastenedBy: 20)
        let prometheus = try await Deployed.startPrometheus(
            targets: [management], hastenedBy: 20, alertmanager: alertmanager)
        try await eventually("an alert has come, and the rules have been asked twice") {
            guard try await alertmanager.state(of: "MedbuilderForcedShutdown") == "active" else { return false }
            let failed = try await prometheus.values("job:medbuilder_failed:ratio_rate1d")
            return !failed.isEmpty && failed.allSatisfy { !$0.isNaN }
        }

        let log = try testFolder().appending(path: "log")
        try Data((forced.process.outputText + server.process.outputText).utf8).write(to: log)
        let folder = try testFolder().appending(path: "deploy")
        try await runTool("cp", ["-r", Project.file("deploy/prometheus").path, folder.path])
        let settings = [
            "MEDBUILDER": "http://127.0.0.1:\(management)", "PROMETHEUS": prometheus.url,
            "ALERTMANAGER": alertmanager.url, "DATABASE_URL": database.url("postgres"), "LOG": log.path,
        ]
        for block in try self.blocks() where block.mark != Self.clusterMark {
            if block.mark == Self.settingsMark {
                let names = block.text.matches(of: /(?m)^export ([A-Z_]+)=/).map { String($0.1) }
                #expect(Set(names) == Set(settings.keys))
            } else {
                try await self.run(block.text, settings, in: folder)
            }
        }
        for load in loads { _ = try await load.stop() }
    }

    /// A query without an answer is a mistake here, and everything that fails is one. After a scrape that came too late, on a busy machine,
    /// an alert is gone until the rules are asked again.
    private static let prelude = """
        set -euo pipefail
        promtool() {
            local answer tries=0
            while answer="$(command promtool "$@")" || return; [[ $1 == query && ! $answer ]]; do
                ((++tries < 100)) || { echo "No answer: $*" >&2; return 1; }
                sleep 0.5
            done
            printf '%s\\n' "$answer"
        }

        """

    private func run(_ block: String, _ settings: [String: String], in folder: URL) async throws {
        let programs = URL(filePath: BinaryUnderTest.path).deletingLastPathComponent().path
        let process = try ChildProcess(
            "bash", ["-c", Self.prelude + block],
            environment: settings.merging(["PATH": "\(programs):/usr/local/bin:/usr/bin:/bin", "USER": "tester"]) {
                $1
            },
            folder: folder)
        let exit = try await process.waitForExit()
        try await process.waitForOutput()
        #expect(exit == .code(0) && process.errorText == "", "\(block)\n\(exit): \(process.errorText)")
        #expect(!process.outputText.isEmpty, "It printed nothing: \(block)")
    }
}
