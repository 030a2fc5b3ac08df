// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What has to hold between the numbers of a manifest, and between them and the program's own.
struct ManifestRules {
    /// A value that the contract fixes.
    struct Fixed {
        let object: String
        let path: String
        let value: String
    }

    /// What a PostgreSQL server lets in unless told otherwise, and how many of these it keeps for its administrators.
    static let (databaseConnections, reservedConnections) = (100, 3)

    let manifest: Manifest
    /// The values that the program has without settings, by their variables.
    let settings: [String: String]

    private let deployment = Manifest.deployment
    private let container = "spec/template/spec/containers/medbuilder"

    /// What does not hold; nothing if all is well.
    var findings: [String] {
        self.fixed + self.shutdown + self.probes + self.connections + self.scaling + self.ports + self.selectors
            + self.state + self.environments + self.security
    }

    /// The values of the contract's table, and those beside it that are ours.
    private var fixed: [String] {
        Self.table.compactMap { row in
            let found = self.manifest[row.object, row.path]?.text
            return found == row.value ? nil : "\(row.object) \(row.path) is \(found ?? "missing"), not \(row.value)."
        }
    }

    private var shutdown: [String] {
        let grace = self.number("spec/template/spec/terminationGracePeriodSeconds")
        let preStop = self.number("\(self.container)/lifecycle/preStop/sleep/seconds")
        let deadline = self.setting("SHUTDOWN_DEADLINE_SECONDS")
        let work = self.setting("SHUTDOWN_DRAIN_DELAY_SECONDS") + self.setting("SHUTDOWN_GRACE_SECONDS")
        return self.unless(
            preStop + deadline + 2 <= grace, "preStop, the deadline and 2 s are more than the grace period.")
            + self.unless(preStop + deadline + 2 == grace, "There are seconds of the grace period that nobody uses.")
            + self.unless(work < deadline, "Drain delay and grace do not fit below the deadline.")
    }

    private var probes: [String] {
        func probe(_ kind: String, _ key: String) -> Double { self.number("\(self.container)/\(kind)Probe/\(key)") }
        let failing = { kind in probe(kind, "periodSeconds") * probe(kind, "failureThreshold") }
        // The stall is noticed a second late at most; the first failure is a period later at most, and the last takes its time to fail.
        let stall = self.setting("LIVE_STALL_SECONDS") + 1 + failing("liveness") + probe("liveness", "timeoutSeconds")
        var findings =
            self.unless(stall <= 44, "A stalled process is stopped only after \(stall) s.")
            + self.unless(failing("startup") >= 60, "The port has less than a minute to open.")
            + self.unless(
                probe("liveness", "initialDelaySeconds") <= failing("startup"),
                "Liveness waits for longer than the start-up may take.")
            + self.unless(
                probe("readiness", "failureThreshold") == 3, "The program takes three answers of 503 for noticed.")
        for kind in ["startup", "liveness", "readiness"] {
            let path = self.manifest[self.deployment, "\(self.container)/\(kind)Probe/httpGet/path"]?.text
            findings += self.unless(
                path == (kind == "readiness" ? "/ready" : "/live"), "The \(kind) probe asks \(path ?? "nobody").")
            findings += self.unless(
                probe(kind, "timeoutSeconds") < probe(kind, "periodSeconds"),
                "A \(kind) probe overtakes the one before.")
        }
        return findings
    }

    /// docs/postgres.md: a process has those of its pool, one for the health check and one to listen on.
    private var connections: [String] {
        let replicas =
            self.manifest["HorizontalPodAutoscaler/medbuilder-hpa", "spec/maxReplicas"]?.number
            ?? self.manifest[self.deployment, "spec/replicas"]?.number ?? 0
        let surge = self.manifest[self.deployment, "spec/strategy/rollingUpdate/maxSurge"]?.number ?? 0
        let each = Int(self.setting("DATABASE_POOL_SIZE")) + 2
        // The migration is one process more, while it runs.
        let all = (replicas + surge) * each + each
        return self.unless(
            all <= Self.databaseConnections - Self.reservedConnections,
            "\(replicas + surge) replicas and a migration want \(all) connections.")
    }

    private var scaling: [String] {
        let scaler = "HorizontalPodAutoscaler/medbuilder-hpa"
        guard self.manifest.objects[scaler] != nil else { return [] }
        let target = self.manifest[scaler, "spec/scaleTargetRef"]
        let deployment = self.manifest.objects[self.deployment]
        let floor = self.manifest[scaler, "spec/minReplicas"]?.number
        let replicas = self.manifest[self.deployment, "spec/replicas"]?.number
        let pause = self.manifest[scaler, "spec/behavior/scaleDown/policies/0/periodSeconds"]?.quantity ?? 0
        let memory = self.manifest[scaler, "spec/metrics/1/resource/target/averageUtilization"]?.quantity ?? 0
        let (requested, limit) = (self.quantity("requests/memory"), self.quantity("limits/memory"))
        return self.unless(
            ["apiVersion", "kind"].allSatisfy { target?[$0] == deployment?[$0] }
                && target?["name"] == deployment?["metadata/name"], "The autoscaler scales somebody else.")
            + self.unless(replicas == nil || replicas == floor, "The autoscaler's least is not what there is at first.")
            + self.unless(
                pause > self.number("spec/template/spec/terminationGracePeriodSeconds"),
                "The next replica may go before the last one is gone.")
            + self.unless(
                memory / 100 * requested < 0.9 * limit, "Memory is degraded before the autoscaler does anything.")
            + ["cpu", "memory"].flatMap {
                self.unless(
                    self.quantity("requests/\($0)") <= self.quantity("limits/\($0)"), "More \($0) than allowed.")
            }
    }

    private var ports: [String] {
        func port(_ name: String) -> String? {
            self.manifest[self.deployment, "\(self.container)/ports/\(name)/containerPort"]?.text
        }
        func target(_ service: String) -> String? {
            self.manifest["Service/\(service)", "spec/ports/0/targetPort"]?.text
        }
        var findings =
            self.unless(port("http") == self.text("PORT"), "The program listens elsewhere than on the port http.")
            + self.unless(port("management") == self.text("MANAGEMENT_PORT"), "No port is MANAGEMENT_PORT.")
            + self.unless(target("medbuilder") == "http", "The clients' Service leads elsewhere.")
            + self.unless(target("medbuilder-management") == "management", "The management Service leads elsewhere.")
        for kind in ["startup", "liveness", "readiness"] {
            let name = self.manifest[self.deployment, "\(self.container)/\(kind)Probe/httpGet/port"]?.text
            findings += self.unless(name == "http", "The \(kind) probe asks another port.")
        }
        let ingress = self.manifest["NetworkPolicy/medbuilder", "spec/ingress"]?.elements ?? []
        let open = ingress.filter { $0["from"] == nil }.flatMap { $0["ports"]?.elements ?? [] }.map { $0["port"]?.text }
        let closed = ingress.filter { $0["from"] != nil }.flatMap { $0["ports"]?.elements ?? [] }.map {
            $0["port"]?.text
        }
        findings += self.unless(open == [port("http")], "The policy opens another port than http to everybody.")
        findings += self.unless(closed == [port("management")], "The policy opens another port than management.")
        if let endpoint = self.manifest["ServiceMonitor/medbuilder", "spec/endpoints/0"] {
            findings += self.unless(
                endpoint["port"] == self.manifest["Service/medbuilder-management", "spec/ports/0/name"],
                "Prometheus looks for a port that the Service does not have.")
        }
        return findings
    }

    /// Who selects by labels, and what it has to find.
    private var selectors: [String] {
        let pod = self.manifest[self.deployment, "spec/template/metadata/labels"]?.labels ?? [:]
        let job = self.manifest[Manifest.migration, "spec/template/metadata/labels"]?.labels ?? [:]
        var findings: [String] = []
        func expect(_ object: String, _ path: String, selects labels: [String: String], _ isSelected: Bool = true) {
            guard self.manifest.objects[object] != nil else { return }
            let selector = self.manifest[object, path]?.labels ?? [:]
            let matches = !selector.isEmpty && selector.allSatisfy { labels[$0.key] == $0.value }
            findings += self.unless(matches == isSelected, "\(object) \(path) selects the wrong ones.")
        }
        let spread = "spec/template/spec/topologySpreadConstraints"
        for (object, path) in [
            (self.deployment, "spec/selector/matchLabels"), ("Service/medbuilder", "spec/selector"),
            ("Service/medbuilder-management", "spec/selector"),
            ("PodDisruptionBudget/medbuilder", "spec/selector/matchLabels"),
            (self.deployment, "\(spread)/0/labelSelector/matchLabels"),
            (self.deployment, "\(spread)/1/labelSelector/matchLabels"),
        ] {
            expect(object, path, selects: pod)
            // The migration is no server.
            expect(object, path, selects: job, false)
        }
        expect("NetworkPolicy/medbuilder", "spec/podSelector/matchLabels", selects: pod)
        expect("NetworkPolicy/medbuilder", "spec/podSelector/matchLabels", selects: job)
        let management = self.manifest["Service/medbuilder-management", "metadata/labels"]?.labels ?? [:]
        let clients = self.manifest["Service/medbuilder", "metadata/labels"]?.labels ?? [:]
        expect("ServiceMonitor/medbuilder", "spec/selector/matchLabels", selects: management)
        expect("ServiceMonitor/medbuilder", "spec/selector/matchLabels", selects: clients, false)
        return findings
    }

    /// docs/operations.md: log lines and telemetry that nobody takes are 16 MiB each.
    private var state: [String] {
        let volumes = "spec/template/spec/volumes/state/emptyDir"
        let limit = self.manifest[self.deployment, "\(volumes)/sizeLimit"]?.quantity ?? 0
        let folder = self.manifest[self.deployment, "\(self.container)/volumeMounts/state/mountPath"]?.text
        return self.unless(limit >= 2 * 2 * 16 * 1_048_576, "The state folder has no room to spare.")
            + self.unless(folder == self.text("MEDBUILDER_STATE_DIR"), "The state folder is not where the volume is.")
    }

    /// The migration has the same settings, and what is put together is there by then.
    private var environments: [String] {
        let server = self.manifest[self.deployment, "\(self.container)/env"]?.elements ?? []
        let migration = self.manifest[Manifest.migration, "spec/template/spec/containers/migrate/env"]?.elements ?? []
        let names = server.compactMap { $0["name"]?.text }
        let pod = names.firstIndex(of: "POD_NAME") ?? Int.max
        let resource = names.firstIndex(of: "OTEL_RESOURCE_ATTRIBUTES") ?? -1
        return self.unless(
            !migration.isEmpty && migration.allSatisfy(server.contains), "The migration has settings of its own.")
            + self.unless(pod < resource, "POD_NAME has to come before what is made of it.")
            + self.unless(
                self.manifest[self.deployment, "\(self.container)/image"]
                    == self.manifest[Manifest.migration, "spec/template/spec/containers/migrate/image"],
                "The migration is another image's.")
    }

    /// What the level `restricted` of the Pod Security Standards asks for, and a little more.
    private var security: [String] {
        let wanted: [(path: String, value: String)] = [
            ("securityContext/runAsNonRoot", "true"),
            ("securityContext/seccompProfile/type", "RuntimeDefault"),
            ("automountServiceAccountToken", "false"),
            ("containers/0/securityContext/allowPrivilegeEscalation", "false"),
            ("containers/0/securityContext/readOnlyRootFilesystem", "true"),
        ]
        let unwanted = ["containers/0/securityContext/capabilities/add", "hostNetwork", "hostPID", "hostIPC"]
        var findings: [String] = []
        for object in [self.deployment, Manifest.migration] {
            let pod = self.manifest[object, "spec/template/spec"]
            for (path, value) in wanted {
                findings += self.unless(pod?[path]?.text == value, "\(object): \(path) has to be \(value).")
            }
            for path in unwanted { findings += self.unless(pod?[path] == nil, "\(object): \(path) has to go.") }
            let dropped = pod?["containers/0/securityContext/capabilities/drop"]?.texts ?? []
            findings += self.unless(dropped == ["ALL"], "\(object): not all capabilities go.")
        }
        return findings
    }

    // MARK: Looking things up

    private func unless(_ isFine: Bool, _ finding: String) -> [String] { isFine ? [] : [finding] }

    private func number(_ path: String) -> Double { self.manifest[self.deployment, path]?.quantity ?? .nan }

    private func quantity(_ path: String) -> Double { self.number("\(self.container)/resources/\(path)") }

    /// The value of a setting with the manifest's environment.
    private func text(_ variable: String) -> String? {
        self.manifest[self.deployment, "\(self.container)/env/\(variable)/value"]?.text ?? self.settings[variable]
    }

    private func setting(_ variable: String) -> Double { self.text(variable).flatMap { Double($0) } ?? .nan }
}
