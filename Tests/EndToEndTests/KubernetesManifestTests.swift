// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What is below `deploy/kubernetes`, as kubectl renders it.
@Suite(.endToEnd) struct KubernetesManifestTests {
    /// The oldest Kubernetes that we claim to run on, and the newest one that is known here.
    private static let versions = ["1.30", "newest"]

    private static let defaults = Task { try await programDefaults() }

    private func refereed(_ text: String) async throws -> String {
        let file = try testFolder().appending(path: "\(UUID().uuidString).yaml")
        try Data(text.utf8).write(to: file)
        return try await askReferee("kubernetes", [file.path] + Self.versions)
    }

    @Test(arguments: Manifest.Kustomization.allCases)
    func `every object is what the schemas of Kubernetes want, strictly`(kustomization: Manifest.Kustomization)
        async throws
    {
        let manifest = try await Manifest(kustomization)
        let passed = try await self.refereed(manifest.text).split(separator: "\n").map(String.init)
        #expect(passed.sorted() == manifest.objects.keys.sorted())
    }

    @Test(arguments: [
        ("replicas: 3", "replicas: three", "is not of type"),
        ("replicas: 3", "replica: 3", "Additional properties are not allowed"),
        ("kind: Deployment", "kind: Deploiment", "find schema for kind Deploiment"),
        ("apiVersion: policy/v1", "apiVersion: policy/v1beta1", "find schema for kind PodDisruptionBudget"),
        ("scrapeTimeout: 10s", "scrapeTimeout: 10 s", "does not match"),
        ("scrapeTimeout: 10s", "scrapeTimeOut: 10s", "Additional properties are not allowed"),
    ])
    func `a slip of the pen is seen by the schemas`(text: String, slip: String, finding: String) async throws {
        let manifest = try await Manifest(.base).text
        #expect(manifest.contains(text))
        do {
            let answer = try await self.refereed(manifest.replacing(text, with: slip, maxReplacements: 1))
            Issue.record("The referee has seen nothing: \(answer)")
        } catch let error as HarnessError {
            #expect(error.description.contains(finding), "\(error)")
        }
    }

    @Test func `the numbers are the contract's, go together, and go with the program's own`() async throws {
        let defaults = try await Self.defaults.value
        #expect(ManifestRules(manifest: try await Manifest(.base), settings: defaults).findings == [])
        let version = try await run("--version").output.trimmingCharacters(in: .whitespacesAndNewlines)
        let image = try await Manifest(.base)[Manifest.deployment, "spec/template/spec/containers/0/image"]?.text
        #expect(image == "medbuilder:\(version)")
    }

    @Test func `no number and no yes or no can change unnoticed`() async throws {
        let defaults = try await Self.defaults.value
        let manifest = try await Manifest(.base)
        try #require(ManifestRules(manifest: manifest, settings: defaults).findings == [])
        var unnoticed: [String] = []
        var changes = 0
        for (name, object) in manifest.objects {
            for path in object.paths {
                guard let text = object[path]?.text, let other = Self.otherValue(for: text) else { continue }
                var changed = manifest
                changed.objects[name]?[path] = .scalar(other)
                changes += 1
                if ManifestRules(manifest: changed, settings: defaults).findings.isEmpty {
                    unnoticed.append("\(name) \(path.joined(separator: "/"))")
                }
            }
        }
        #expect(unnoticed == [])
        #expect(changes > 70)
    }

    private static func otherValue(for text: String) -> String? {
        if text == "true" { return "false" }
        if text == "false" { return "true" }
        guard let match = text.wholeMatch(of: /(\d+)([a-zA-Z]*)/), let number = Int(match.1) else { return nil }
        return "\(number + 1)\(match.2)"
    }

    /// A change that breaks a rule, and the beginning of what it says; `nil` takes away what is there.
    struct Break: Sendable, CustomTestStringConvertible {
        let object: String
        let path: String
        let value: String?
        let finding: String
        var testDescription: String { "\(self.object) \(self.path) \(self.value ?? "gone")" }

        static let container = "spec/template/spec/containers/medbuilder"

        static func deployment(_ path: String, _ value: String?, _ finding: String) -> Break {
            Break(object: Manifest.deployment, path: path, value: value, finding: finding)
        }

        static let all: [Break] = [
            deployment("spec/template/spec/terminationGracePeriodSeconds", "34", "preStop, the deadline"),
            deployment("\(container)/lifecycle/preStop/sleep/seconds", "6", "preStop, the deadline"),
            deployment("\(container)/env/SHUTDOWN_DEADLINE_SECONDS/value", "29", "preStop, the deadline"),
            deployment("\(container)/env/SHUTDOWN_DEADLINE_SECONDS", nil, "preStop, the deadline"),
            deployment("spec/template/spec/terminationGracePeriodSeconds", "36", "There are seconds"),
            deployment("\(container)/env/SHUTDOWN_DEADLINE_SECONDS/value", "5", "Drain delay and grace"),
            deployment("\(container)/livenessProbe/periodSeconds", "11", "A stalled process"),
            deployment("\(container)/livenessProbe/failureThreshold", "4", "A stalled process"),
            deployment("\(container)/livenessProbe/timeoutSeconds", "4", "A stalled process"),
            deployment("\(container)/startupProbe/failureThreshold", "11", "The port has less"),
            deployment("\(container)/livenessProbe/initialDelaySeconds", "61", "Liveness waits"),
            deployment("\(container)/readinessProbe/failureThreshold", "4", "The program takes three"),
            deployment("\(container)/livenessProbe/httpGet/path", "/ready", "The liveness probe asks /ready"),
            deployment("\(container)/readinessProbe/timeoutSeconds", "5", "A readiness probe overtakes"),
            deployment("\(container)/startupProbe/httpGet/port", "management", "The startup probe asks another port"),
            deployment("spec/strategy/rollingUpdate/maxSurge", "2", "12 replicas and a migration"),
            Break(
                object: "HorizontalPodAutoscaler/medbuilder-hpa", path: "spec/maxReplicas", value: "11",
                finding: "12 replicas and a migration"),
            Break(
                object: "HorizontalPodAutoscaler/medbuilder-hpa", path: "spec/scaleTargetRef/name", value: "other",
                finding: "The autoscaler scales"),
            Break(
                object: "HorizontalPodAutoscaler/medbuilder-hpa", path: "spec/minReplicas", value: "2",
                finding: "The autoscaler's least"),
            Break(
                object: "HorizontalPodAutoscaler/medbuilder-hpa",
                path: "spec/behavior/scaleDown/policies/0/periodSeconds",
                value: "35", finding: "The next replica may go"),
            Break(
                object: "HorizontalPodAutoscaler/medbuilder-hpa",
                path: "spec/metrics/1/resource/target/averageUtilization", value: "190", finding: "Memory is degraded"),
            deployment("\(container)/resources/requests/cpu", "1500m", "More cpu"),
            deployment("\(container)/ports/http/containerPort", "5002", "The program listens elsewhere"),
            deployment("\(container)/env/MANAGEMENT_PORT/value", "5002", "No port is MANAGEMENT_PORT"),
            Break(
                object: "Service/medbuilder", path: "spec/ports/0/targetPort", value: "management",
                finding: "The clients' Service"),
            Break(
                object: "Service/medbuilder-management", path: "spec/ports/0/targetPort", value: "http",
                finding: "The management Service"),
            Break(
                object: "Service/medbuilder-management", path: "spec/ports/0/name", value: "metrics",
                finding: "Prometheus looks"),
            Break(
                object: "NetworkPolicy/medbuilder", path: "spec/ingress/1/from", value: nil,
                finding: "The policy opens another port than http"),
            Break(
                object: "NetworkPolicy/medbuilder", path: "spec/ingress/1/ports/0/port", value: "5000",
                finding: "The policy opens another port than management"),
            deployment("spec/template/spec/volumes/state/emptyDir/sizeLimit", "63Mi", "The state folder has no room"),
            deployment("\(container)/env/MEDBUILDER_STATE_DIR/value", "/tmp", "The state folder is not"),
            Break(
                object: Manifest.migration, path: "spec/template/spec/containers/migrate/env/APP_ENV/value",
                value: "staging", finding: "The migration has settings"),
            deployment("\(container)/env/POD_NAME", nil, "POD_NAME has to come"),
            deployment("\(container)/image", "medbuilder:other", "The migration is another"),
            deployment("spec/template/spec/securityContext/runAsNonRoot", nil, "Deployment/medbuilder: "),
            deployment("spec/template/spec/securityContext/seccompProfile", nil, "Deployment/medbuilder: "),
            deployment("\(container)/securityContext/capabilities/drop", nil, "Deployment/medbuilder: not all"),
            Break(
                object: Manifest.migration,
                path: "spec/template/spec/containers/migrate/securityContext/readOnlyRootFilesystem", value: "false",
                finding: "Job/medbuilder-migrate: "),
        ]
    }

    @Test(arguments: Break.all) func `each rule finds what it looks for`(change: Break) async throws {
        var manifest = try await Manifest(.base)
        try #require(manifest[change.object, change.path] != nil)
        manifest[change.object, change.path] = change.value.map(ManifestNode.scalar)
        let findings = ManifestRules(manifest: manifest, settings: try await Self.defaults.value).findings
        #expect(findings.contains { $0.hasPrefix(change.finding) }, "\(findings)")
    }

    @Test(arguments: [
        ("Service/medbuilder", "spec/selector"), ("PodDisruptionBudget/medbuilder", "spec/selector/matchLabels"),
        ("ServiceMonitor/medbuilder", "spec/selector/matchLabels"),
        ("NetworkPolicy/medbuilder", "spec/podSelector/matchLabels"),
    ])
    func `who selects the wrong pods is found`(object: String, path: String) async throws {
        var manifest = try await Manifest(.base)
        let defaults = try await Self.defaults.value
        for labels in [["app.kubernetes.io/name": "other"], [:]] {
            manifest[object, path] = .map(labels.mapValues(ManifestNode.scalar))
            let findings = ManifestRules(manifest: manifest, settings: defaults).findings
            #expect(findings.contains { $0.hasPrefix("\(object) \(path) selects") }, "\(findings)")
        }
    }

    @Test func `the overlays differ from the base in what they are for, and in nothing else`() async throws {
        let base = try await Manifest(.base)
        let appEnvironment = ["spec/template/spec/containers/0/env/APP_ENV/value"]
        for kustomization in Manifest.Kustomization.allCases where kustomization != .base {
            var overlay = try await Manifest(kustomization)
            let namespaces = Set(overlay.objects.values.map { $0["metadata/namespace"]?.text })
            for name in overlay.objects.keys { overlay[name, "metadata/namespace"] = nil }
            var expected = base
            switch kustomization {
            case .base: break
            case .production:
                #expect(namespaces == ["medbuilder"])
                expected[Manifest.deployment, "spec/replicas"] = nil
            case .staging, .drill:
                #expect(namespaces == ["medbuilder-staging"])
                expected[Manifest.deployment, "spec/replicas"] = nil
                for object in [Manifest.deployment, Manifest.migration] {
                    for path in appEnvironment { expected[object, path] = .scalar("staging") }
                }
                guard kustomization == .drill else { break }
                expected["Service/medbuilder", "spec/type"] = .scalar("ClusterIP")
                let place = "spec/template/spec/containers/0/env"
                let others = try #require(expected[Manifest.deployment, place]?.elements)
                expected[Manifest.deployment, place] = .list(
                    [.map(["name": .scalar("DRILL_ROUTES"), "value": .scalar("on")])] + others)
            case .minimal:
                #expect(namespaces == [nil])
                expected.objects["ServiceMonitor/medbuilder"] = nil
                expected.objects["HorizontalPodAutoscaler/medbuilder-hpa"] = nil
                expected["Service/medbuilder", "spec/type"] = .scalar("ClusterIP")
                expected[Manifest.deployment, "spec/replicas"] = .scalar("1")
            }
            #expect(overlay.objects == expected.objects, "\(kustomization)")
        }
    }

    @Test func `the page about it has every number of the base, as it is`() async throws {
        let page = try Project.text("docs/kubernetes.md")
        let rows = page.matches(of: /(?m)^\| `([A-Za-z-]+\/[a-z-]+)` \| `([^`]+)` \| ([^|]+) \|/)
        let manifest = try await Manifest(.base)
        var told: Set<String> = []
        for row in rows {
            let (object, path) = (String(row.1), String(row.2).replacing(".", with: "/"))
            let found = (manifest.objects[object]?.paths ?? []).map { $0.joined(separator: "/") }
                .filter { $0 == path || $0.hasSuffix("/\(path)") }
            #expect(!found.isEmpty, "There is no \(row.2) in \(object).")
            for place in found {
                let text = manifest[object, place]?.text
                #expect(text == row.3.trimmingCharacters(in: .whitespaces), "\(object) \(place)")
                told.insert("\(object) \(place)")
            }
        }
        var untold: [String] = []
        for (name, object) in manifest.objects {
            for path in object.paths {
                let text = object[path]?.text ?? ""
                guard text.contains(/^\d+[a-zA-Z]*$/), !told.contains("\(name) \(path.joined(separator: "/"))") else {
                    continue
                }
                untold.append("\(name) \(path.joined(separator: "/")) \(text)")
            }
        }
        #expect(untold.sorted() == [])
    }
}
