// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedDrill
import MedTesting
import Testing

/// The image: what is in it, what it says of itself, and how it runs.
// One after the other: for podman, a namespace with a new `/run` is a machine that was started again, with no container running.
@Suite(.endToEnd, .serialized, .enabled(if: TestImage.obstacle == nil, Comment(rawValue: TestImage.obstacle ?? "")))
struct ImageTests {
    @Test func `its configuration is what the contract says`() async throws {
        let image = try await TestImage.shared
        let text = try await image.podman("image", "inspect", TestImage.name)
        let answers = try JSONDecoder().decode([Inspected].self, from: Data(text.utf8))
        let answer = try #require(answers.first)
        #expect(answer.config.user == "65532:65532")
        #expect(answer.config.entrypoint == ["/usr/local/bin/medbuilder"])
        #expect(answer.config.command == ["serve"])
        #expect(answer.config.exposedPorts.keys.sorted() == ["5000/tcp"])
        #expect(answer.config.stopSignal == "SIGTERM")
        // In exec form, which needs no shell; the numbers are nanoseconds.
        #expect(answer.healthCheck.test == ["CMD", "/usr/local/bin/medbuilder", "probe", "health"])
        #expect(answer.healthCheck.interval == 30_000_000_000)
        #expect(answer.healthCheck.timeout == 3_000_000_000)
        #expect(answer.healthCheck.startPeriod == 40_000_000_000)
        #expect(answer.healthCheck.retries == 3)
        let prefix = "org.opencontainers.image."
        let labels = Dictionary(
            uniqueKeysWithValues: answer.config.labels.filter { $0.key.hasPrefix(prefix) }.map {
                (String($0.key.dropFirst(prefix.count)), $0.value)
            })
        #expect(
            labels == [
                "title": "MedBuilder", "description": "A production-grade server for health-care back ends",
                "licenses": "Apache-2.0", "version": "1.2.3", "revision": "0123abc", "created": "2025-10-27T05:34:00Z",
                "base.name": TestImage.base,
            ])
    }

    @Test func `it runs as process 1, as nobody, without a shell, and stops when it is told to`() async throws {
        let image = try await TestImage.shared
        let name = "medbuilder-\(UUID().uuidString.prefix(8))"
        let port = try FreePort.next()
        let settings = [
            "PORT": "\(port)", "LOG_FORMAT": "json", "DRILL_ROUTES": "on", "SHUTDOWN_GRACE_SECONDS": "20",
            "LOG_LEVEL": "info,medbuilder.access=warning",
        ]
        // Whoever looks for a shell finds a device.
        let shells = ["/bin/dash", "/bin/bash"].flatMap { ["--volume", "/dev/null:\($0):ro"] }
        let container = try image.run(
            name: name, options: settings.flatMap { ["--env", "\($0.key)=\($0.value)"] } + shells)
        try #require(EndToEnd.current).add(container)
        try await eventually("the server in the image is ready") {
            guard !container.hasEnded else {
                throw HarnessError(.exited, "It ended: \(container.outputText)\(container.errorText)")
            }
            return try await RawClient.exchangeIfUp(port: port, "/ready")?.status == 200
        }
        let health = try await RawClient.exchange(port: port, "GET", "/health")
        #expect(health.status == 200)

        let found = try await self.process(of: name, beside: container, image)
        let process = try #require(found)
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        #expect(status.contains(/NSpid:\t[0-9]+\t[0-9]+\t1\n/), "\(status)")
        #expect(status.contains("Uid:\t65532\t65532\t65532\t65532\n"))
        #expect(status.contains("CapEff:\t0000000000000000\n"))
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
        #expect(link == "/usr/local/bin/medbuilder")
        let limits = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8)
        #expect(limits.contains(#/Max open files +1024 +1024 /#))
        // Its own folder is a volume, and nothing else can be written to.
        let root = try String(contentsOfFile: "/proc/\(process)/mounts", encoding: .utf8)
        #expect(root.split(separator: "\n").contains { $0.contains(/^\S+ \/ \S+ ro[, ]/) }, "\(root)")
        let shell = try await image.podman(["exec", name, "/bin/sh", "-c", "true"], beside: container)
        #expect(shell.exit != .code(0))

        // Without systemd nobody but we runs it.
        let check = ["healthcheck", "run", name]
        #expect(try await image.podman(check, beside: container).exit == .code(0))
        _ = try await RawClient.exchange(port: port, "POST", "/_drill/checks/printer?does=fail&required=yes")
        try await eventually("/health is 503") {
            try await RawClient.exchange(port: port, "GET", "/health").status == 503
        }
        #expect(try await image.podman(check, beside: container).exit == .code(1))
        _ = try await RawClient.exchange(port: port, "DELETE", "/_drill/checks/printer")
        try await eventually("/health is 200") {
            try await RawClient.exchange(port: port, "GET", "/health").status == 200
        }
        #expect(try await image.podman(check, beside: container).exit == .code(0))

        let held = try await RawClient.connect(port: port)
        try await held.request("GET", "/_drill/sleep?ms=3000")
        for _ in 0..<8 { _ = try await RawClient.exchange(port: port, "GET", "/live") }
        async let stopping = image.podman(["stop", "--time", "35", name], beside: container)
        try await eventually("the drain has begun") { container.outputText.contains(Sentence.terminate) }
        #expect(try await RawClient.exchange(port: port, "GET", "/health").status == 503)
        #expect(try await held.response().status == 200)
        #expect(try await container.waitForExit() == .code(0))
        _ = try await stopping
        try await container.waitForOutput()
        let sentences = Sentence.all.filter { container.outputText.contains($0) }
        #expect(sentences == [Sentence.terminate, Sentence.closed, Sentence.complete])
        let gone = try await image.podman("rm", "--volumes", name)
        #expect(gone.contains(name))
        try await Self.removeControlGroups(name)
    }

    @Test func `what it adds to its base are the program and the packages that it needs`() async throws {
        let image = try await TestImage.shared
        let history = try await image.podman("image", "history", "--format", "json", TestImage.name)
        let layers = try JSONDecoder().decode([Layer].self, from: Data(history.utf8)).filter { $0.size > 0 }
        // The program, the packages, and the base itself, the newest first.
        try #require(layers.count == 3, "\(history)")
        print(
            "The image adds \(layers[1].size) bytes of packages, and \(layers[0].size) of a debug build with its runtime."
        )
        // Of the 60 MB that the contract leaves; scripts/image.sh measures the whole of what is shipped.
        #expect(layers[1].size < 11_000_000, "\(history)")

        let root = try await image.podman("image", "mount", TestImage.name).trimmingCharacters(
            in: .whitespacesAndNewlines)
        let document = try testFolder().appending(path: "bom.json")
        let bill = try await runTool(
            Project.file("scripts/sbom.py").path,
            [
                "--program", "\(root)/usr/local/bin/medbuilder", "--root", root, "--version", "1.2.3",
                "--resolved", Project.file("Package.resolved").path,
            ])
        try Data(bill.utf8).write(to: document)
        let components = try await askReferee("sbom", document.path).split(separator: "\n").map(String.init)
        let debian = components.compactMap { $0.firstMatch(of: #/pkg:deb\/debian\/([^@]+)@/#)?.output.1 }.map {
            $0.replacing("%2B", with: "+")
        }
        print("The Debian packages whose libraries it loads: \(debian.joined(separator: " "))")
        #expect(debian.contains("libpq5") && debian.contains("libssl3") && debian.contains("libsqlite3-0"), "\(debian)")
        #expect(
            debian.contains("libgssapi-krb5-2") && debian.contains("libldap-2.5-0") && debian.contains("libc6"),
            "\(debian)")
        #expect(components.contains { $0.hasPrefix("pkg:swift/github.com/apple/swift-nio@") })
        // What it does not load is not in the bill, and whoever reads the document knows of every package.
        #expect(!debian.contains("libapt-pkg6.0"))
        let page = try Project.text("docs/deploy.md")
        #expect(debian.filter { !page.contains("`\($0)`") } == [])
    }

    private func process(of name: String, beside container: ChildProcess, _ image: TestImage) async throws -> Int? {
        // As the namespace numbers it, in which podman runs; the innermost number but one.
        let answer = try await image.podman(["inspect", "--format", "{{.State.Pid}}", name], beside: container)
        let inner = answer.output.trimmingCharacters(in: .whitespacesAndNewlines)
        for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int(entry) != nil {
            guard let status = try? String(contentsOfFile: "/proc/\(entry)/status", encoding: .utf8),
                status.contains("\nNSpid:\t\(entry)\t\(inner)\t1\n")
            else { continue }
            return Int(entry)
        }
        return nil
    }

    /// podman leaves them to whoever named them.
    private static func removeControlGroups(_ name: String) async throws {
        let base = "/sys/fs/cgroup"
        let hierarchies = (try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []
        for folder in ["\(base)/\(name)"] + hierarchies.map({ "\(base)/\($0)/\(name)" }) {
            for child in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                rmdir("\(folder)/\(child)")
            }
            rmdir(folder)
        }
    }

    private struct Layer: Decodable {
        let size: Int
    }

    private struct Inspected: Decodable {
        struct Config: Decodable {
            let user: String
            let entrypoint: [String]
            let command: [String]
            let exposedPorts: [String: [String: String]]
            let stopSignal: String
            let labels: [String: String]

            enum CodingKeys: String, CodingKey {
                case user = "User"
                case entrypoint = "Entrypoint"
                case command = "Cmd"
                case exposedPorts = "ExposedPorts"
                case stopSignal = "StopSignal"
                case labels = "Labels"
            }
        }

        struct HealthCheck: Decodable {
            let test: [String]
            let interval: Int
            let timeout: Int
            let startPeriod: Int
            let retries: Int

            enum CodingKeys: String, CodingKey {
                case test = "Test"
                case interval = "Interval"
                case timeout = "Timeout"
                case startPeriod = "StartPeriod"
                case retries = "Retries"
            }
        }

        let config: Config
        let healthCheck: HealthCheck

        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case healthCheck = "Healthcheck"
        }
    }
}

extension RawClient {
    /// The answer to a `GET`; nil if nobody listens yet.
    fileprivate static func exchangeIfUp(port: Int, _ target: String) async throws -> RawResponse? {
        do {
            return try await Self.exchange(port: port, "GET", target)
        } catch let error as HarnessError where error.code == .refused {
            return nil
        }
    }
}
