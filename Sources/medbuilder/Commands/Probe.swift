// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MedRuntime
import MedServer

struct Probe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask a running server how it is; exit with 0 if it answers 200, else with 1.",
        discussion: "For a container's HEALTHCHECK: no curl is needed. It waits 2 seconds at most."
    )

    /// Which question.
    enum Name: String, ExpressibleByArgument, CaseIterable {
        case live, ready, health
    }

    @Argument(help: "live, ready or health.")
    var probe: Name

    @Option(
        help: "Where the server is. Default: on this machine, by MANAGEMENT_PORT, PORT, HOST and TLS_CERTIFICATE_FILE.")
    var url: String?

    func run() async throws {
        Main.signals.release()
        let target: ProbeClient.Target
        if let url = self.url {
            guard let parsed = ProbeClient.Target(url: url) else {
                throw Complaint.exit(
                    "--url is \"\(url)\"; it must be http://HOST, https://HOST or either with :PORT, without a path.",
                    code: MedRuntime.ExitCode.usage
                )
            }
            target = parsed
        } else {
            target = try Self.local(environment: ProcessInfo.processInfo.environment)
        }
        let answer: ProbeClient.Answer
        do throws(ProbeClient.Failure) {
            answer = try await ProbeClient.ask("/" + self.probe.rawValue, of: target, timeout: .seconds(2))
        } catch {
            throw Complaint.exit(error.description, code: 1)
        }
        print(answer.body)
        guard answer.status == 200 else { throw ArgumentParser.ExitCode(1) }
    }

    /// The server that the same environment would start.
    private static func local(environment: [String: String]) throws -> ProbeClient.Target {
        let environment = environment.filter { !$0.value.isEmpty }
        let management = environment["MANAGEMENT_PORT"]
        let name = management == nil ? "PORT" : "MANAGEMENT_PORT"
        let text = management ?? environment["PORT"] ?? "5000"
        guard let port = Int(text), (1...65535).contains(port) else {
            throw Complaint.exit(
                "port is \"\(text)\" (from \(name)); it must be a whole number from 1 to 65535 for a probe.",
                code: MedRuntime.ExitCode.configuration
            )
        }
        let host = environment["HOST"].flatMap { ["0.0.0.0", "::"].contains($0) ? nil : $0 } ?? "127.0.0.1"
        let isSecure = management == nil && environment["TLS_CERTIFICATE_FILE"] != nil
        // Nobody is in between, and the certificate is for the name that others use.
        return ProbeClient.Target(host: host, port: port, isSecure: isSecure, verifiesCertificate: false)
    }
}
