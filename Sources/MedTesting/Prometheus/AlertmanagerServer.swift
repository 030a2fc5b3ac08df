// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import MedDrill

/// An Alertmanager of a test's own, without others beside it.
package final class AlertmanagerServer: Sendable {
    private let process: ChildProcess

    /// Where it listens.
    package let port: Int

    /// Its address.
    package var url: String { "http://127.0.0.1:\(self.port)" }

    /// Starts it with a configuration, and waits until it answers.
    ///
    /// - Parameters:
    ///   - folder: Its own folder, which is made.
    ///   - configuration: The text of `alertmanager.yml`.
    package init(in folder: URL, configuration: String) async throws {
        self.port = try FreePort.next()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "alertmanager.yml")
        try Data(configuration.utf8).write(to: file)
        self.process = try ChildProcess(
            "prometheus-alertmanager",
            [
                "--config.file=\(file.path)", "--storage.path=\(folder.appending(path: "data").path)",
                "--web.listen-address=127.0.0.1:\(self.port)", "--cluster.listen-address=",
            ],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"],
            folder: folder)
        try await self.process.waitUntilReady(port: self.port)
    }

    deinit { self.process.send(SIGKILL) }

    /// What it does with the alert of a name: `active`, or `suppressed` by another one; nil if it does not fire.
    package func state(of name: String) async throws -> String? {
        struct Alert: Decodable {
            struct Status: Decodable {
                var state: String
            }
            var labels: [String: String]
            var status: Status
        }
        let answer = try await RawClient.exchange(port: self.port, "GET", "/api/v2/alerts")
        let alerts = try JSONDecoder().decode([Alert].self, from: Data(answer.body))
        return alerts.first { $0.labels["alertname"] == name }?.status.state
    }
}
