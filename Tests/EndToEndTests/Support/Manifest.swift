// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing
import Yams

/// What `kubectl apply` would send to a cluster: the objects of a kustomization, by kind and name.
struct Manifest: Sendable {
    /// The folders below `deploy/kubernetes` that can be applied.
    enum Kustomization: String, CaseIterable, Sendable {
        case base
        case minimal = "overlays/minimal"
        case staging = "overlays/staging"
        case production = "overlays/production"
        case drill = "overlays/drill"
    }

    static let deployment = "Deployment/medbuilder"
    static let migration = "Job/medbuilder-migrate"

    /// The objects, by `Kind/name`.
    var objects: [String: ManifestNode]
    /// As kubectl has written it.
    let text: String

    /// Each rendered once, by the kubectl that `scripts/setup.sh` has installed.
    private static let rendered = Dictionary(
        uniqueKeysWithValues: Kustomization.allCases.map { kustomization in
            let kubectl = Project.file(".build-python/bin/kubectl").path
            let folder = Project.file("deploy/kubernetes/\(kustomization.rawValue)").path
            return (kustomization, Task { try await runTool(kubectl, ["kustomize", folder]) })
        })

    /// Renders a kustomization.
    init(_ kustomization: Kustomization) async throws {
        let text = try await #require(Self.rendered[kustomization]).value
        try self.init(text: text)
    }

    init(text: String) throws {
        self.text = text
        self.objects = [:]
        for node in try Yams.compose_all(yaml: text) {
            let object = try ManifestNode(node)
            let (kind, name) = (object["kind"]?.text ?? "", object["metadata/name"]?.text ?? "")
            guard self.objects.updateValue(object, forKey: "\(kind)/\(name)") == nil else {
                throw HarnessError(.malformed, "\(kind)/\(name) is there twice.")
            }
        }
    }

    /// What is at a path of an object, if anything.
    subscript(object: String, path: String) -> ManifestNode? {
        get { self.objects[object]?[path] }
        set { self.objects[object]?[path.split(separator: "/").map(String.init)] = newValue }
    }

    /// The pod that an object makes.
    func pod(_ object: String) throws -> PodTemplate {
        PodTemplate(node: try #require(self[object, "spec/template/spec"], "There is no \(object)."))
    }
}

/// A pod with one container.
struct PodTemplate: Sendable {
    let node: ManifestNode

    private var container: ManifestNode? { self.node["containers/0"] }
    var arguments: [String] { self.container?["args"]?.texts ?? [] }

    /// The ports by name.
    var ports: [String: Int] {
        let ports = self.container?["ports"]?.elements ?? []
        return Dictionary(
            ports.compactMap { port in
                guard let name = port["name"]?.text, let number = port["containerPort"]?.number else { return nil }
                return (name, number)
            }, uniquingKeysWith: { first, _ in first })
    }

    /// The environment as kubelet makes it: a `$(NAME)` stands for what is defined above it.
    ///
    /// - Parameters:
    ///   - name: The name of the pod.
    ///   - secrets: What is in the secret `medbuilder-secrets`.
    func environment(name: String, secrets: [String: String]) throws -> [String: String] {
        var environment: [String: String] = [:]
        for variable in self.container?["env"]?.elements ?? [] {
            let key = try #require(variable["name"]?.text)
            if let value = variable["value"]?.text {
                environment[key] = value.replacing(/\$\(([A-Z_]+)\)/) { match in
                    environment[String(match.1)] ?? String(match.0)
                }
            } else if let secret = variable["valueFrom/secretKeyRef/key"]?.text {
                #expect(variable["valueFrom/secretKeyRef/name"]?.text == "medbuilder-secrets")
                let value: String = try #require(secrets[secret], "There is no secret \(secret).")
                environment[key] = value
            } else {
                #expect(variable["valueFrom/fieldRef/fieldPath"]?.text == "metadata.name")
                environment[key] = name
            }
        }
        return environment
    }

    /// What kubelet is told of the container.
    func plan() throws -> ContainerPlan {
        func seconds(_ node: ManifestNode?) throws -> Duration { .seconds(try #require(node?.number)) }
        var probes: [ContainerPlan.ProbeKind: ContainerPlan.Probe] = [:]
        for kind in ContainerPlan.ProbeKind.allCases {
            guard let probe = self.container?["\(kind.rawValue)Probe"] else { continue }
            probes[kind] = ContainerPlan.Probe(
                path: try #require(probe["httpGet/path"]?.text),
                port: try #require(probe["httpGet/port"]?.text),
                initialDelay: .seconds(probe["initialDelaySeconds"]?.number ?? 0),
                period: try seconds(probe["periodSeconds"]),
                timeout: try seconds(probe["timeoutSeconds"]),
                failureThreshold: try #require(probe["failureThreshold"]?.number)
            )
        }
        return ContainerPlan(
            probes: probes,
            preStop: try seconds(self.container?["lifecycle/preStop/sleep/seconds"]),
            gracePeriod: try seconds(self.node["terminationGracePeriodSeconds"])
        )
    }
}
