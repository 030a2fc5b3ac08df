// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import MedDrill

/// A Prometheus of a test's own.
package final class PrometheusServer: Sendable {
    private let process: ChildProcess
    private let port: Int

    /// Its address.
    package var url: String { "http://127.0.0.1:\(self.port)" }

    /// Starts one that scrapes servers of this machine every second, with its files in a folder of a test, and waits until it answers.
    ///
    /// - Parameter native: whether it takes histograms as native ones, and then has no others.
    package convenience init(in folder: URL, targets: [Int], native: Bool = false) async throws {
        let list = targets.map { "'127.0.0.1:\($0)'" }.joined(separator: ", ")
        let text = """
            global: {scrape_interval: 1s, scrape_timeout: 1s}
            scrape_configs:
              - {job_name: medbuilder, static_configs: [{targets: [\(list)]}]}

            """
        try await self.init(
            in: folder.appending(path: native ? "prometheus-native" : "prometheus"), configuration: text,
            features: ["exemplar-storage"] + (native ? ["native-histograms"] : []))
    }

    /// Starts one with a configuration, and waits until it answers.
    ///
    /// - Parameters:
    ///   - folder: Its own folder, which is made.
    ///   - configuration: The text of `prometheus.yml`.
    ///   - rules: The text of `rules/rules.yaml` beside it.
    ///   - features: What of it is switched on that is not by itself.
    package init(in folder: URL, configuration: String, rules: String? = nil, features: [String] = []) async throws {
        self.port = try FreePort.next()
        try FileManager.default.createDirectory(
            at: folder.appending(path: "rules"), withIntermediateDirectories: true)
        let file = folder.appending(path: "prometheus.yml")
        try Data(configuration.utf8).write(to: file)
        if let rules { try Data(rules.utf8).write(to: folder.appending(path: "rules/rules.yaml")) }
        self.process = try ChildProcess(
            "prometheus",
            [
                "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.appending(path: "data").path)",
                "--web.listen-address=127.0.0.1:\(self.port)", "--enable-feature=\(features.joined(separator: ","))",
            ],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"],
            folder: folder)
        try await self.process.waitUntilReady(port: self.port)
    }

    deinit { self.process.send(SIGKILL) }

    /// Whether it has had a sample of a metric in the last five minutes, even if a later scrape has failed.
    package func hasSeries(_ name: String) async throws -> Bool {
        try await self.query("count(last_over_time(\(name)[5m]))") ?? 0 > 0
    }

    /// The first value of the answer to an instant query; nil if there is none.
    package func query(_ expression: String) async throws -> Double? { try await self.values(expression).first }

    /// All values of the answer to an instant query. That the query is none is an error.
    package func values(_ expression: String) async throws -> [Double] {
        try await self.ask("query?query=\(Self.encoded(expression))").compactMap(\.value?.number)
    }

    /// All values of the answer to a query at every second of a time. That the query is none is an error.
    package func values(_ expression: String, from start: Date, to end: Date) async throws -> [Double] {
        let times = "start=\(start.timeIntervalSince1970)&end=\(end.timeIntervalSince1970)&step=1"
        return try await self.ask("query_range?query=\(Self.encoded(expression))&\(times)").flatMap {
            ($0.values ?? []).map(\.number)
        }
    }

    private static func encoded(_ expression: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-_.")
        return expression.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }

    private func ask(_ question: String) async throws -> [Series] {
        let answer = try await RawClient.exchange(port: self.port, "GET", "/api/v1/\(question)")
        guard answer.status == 200 else { throw HarnessError(.malformed, "Prometheus refuses a query: \(answer.text)") }
        struct Body: Decodable {
            struct Content: Decodable { var result: [Series] }
            var data: Content
        }
        return try JSONDecoder().decode(Body.self, from: Data(answer.body)).data.result
    }

    /// Of an instant query `value`, of one for a time `values`.
    private struct Series: Decodable {
        struct Value: Decodable {
            var number: Double

            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                _ = try container.decode(Double.self)
                self.number = Double(try container.decode(String.self)) ?? .nan
            }
        }
        var value: Value?
        var values: [Value]?
    }
}

extension ChildProcess {
    /// Waits until a server of Prometheus' kind says that it is ready.
    func waitUntilReady(port: Int) async throws {
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while (try? await RawClient.exchange(port: port, "GET", "/-/ready").status) != 200 {
            guard !self.hasEnded, Date() < limit else {
                throw HarnessError(.exited, "It does not answer: \(self.errorText.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
