// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// A Prometheus that scrapes servers of this machine every second.
package final class PrometheusServer: Sendable {
    private let process: ChildProcess
    private let port: Int

    /// Starts it, with its files in a folder of a test, and waits until it answers.
    ///
    /// - Parameter native: whether it takes histograms as native ones, and then has no others.
    package init(in folder: URL, targets: [Int], native: Bool = false) async throws {
        self.port = try FreePort.next()
        let folder = folder.appending(path: native ? "prometheus-native" : "prometheus")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "prometheus.yml")
        let list = targets.map { "'127.0.0.1:\($0)'" }.joined(separator: ", ")
        let text = """
            global: {scrape_interval: 1s, scrape_timeout: 1s}
            scrape_configs:
              - {job_name: medbuilder, static_configs: [{targets: [\(list)]}]}

            """
        try Data(text.utf8).write(to: file)
        self.process = try ChildProcess(
            "prometheus",
            [
                "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.appending(path: "data").path)",
                "--web.listen-address=127.0.0.1:\(self.port)",
                "--enable-feature=exemplar-storage\(native ? ",native-histograms" : "")",
            ],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"],
            folder: folder)
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while (try? await RawClient.exchange(port: self.port, "GET", "/-/ready").status) != 200 {
            guard !self.process.hasEnded, Date() < limit else {
                throw HarnessError(.exited, "Prometheus does not answer: \(self.process.errorText.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    deinit { self.process.send(SIGKILL) }

    /// Whether it has had a sample of a metric in the last five minutes, even if a later scrape has failed.
    package func hasSeries(_ name: String) async throws -> Bool {
        try await self.query("count(last_over_time(\(name)[5m]))") ?? 0 > 0
    }

    /// The first value of the answer to an instant query; nil if there is none.
    package func query(_ expression: String) async throws -> Double? {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-_.")
        let encoded = expression.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
        let answer = try await RawClient.exchange(port: self.port, "GET", "/api/v1/query?query=\(encoded)")
        struct Body: Decodable {
            struct Content: Decodable {
                var result: [Result]
            }
            struct Result: Decodable {
                var value: Value
            }
            struct Value: Decodable {
                var number: Double

                init(from decoder: any Decoder) throws {
                    var container = try decoder.unkeyedContainer()
                    _ = try container.decode(Double.self)
                    self.number = Double(try container.decode(String.self)) ?? .nan
                }
            }
            var data: Content
        }
        return try JSONDecoder().decode(Body.self, from: Data(answer.body)).data.result.first?.value.number
    }
}
