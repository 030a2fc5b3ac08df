// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension ManifestRules {
    /// Every number and every yes or no of the base, and what else the contract names.
    static let table: [Fixed] = [
        of("ServiceAccount/medbuilder", [("automountServiceAccountToken", "false")]),
        of(
            "Deployment/medbuilder",
            [
                ("spec/replicas", "3"),
                ("spec/strategy/type", "RollingUpdate"),
                ("spec/strategy/rollingUpdate/maxSurge", "1"),
                ("spec/strategy/rollingUpdate/maxUnavailable", "0"),
            ]),
        of(
            "Deployment/medbuilder", below: "spec/template/spec",
            [
                ("serviceAccountName", "medbuilder"),
                ("automountServiceAccountToken", "false"),
                ("enableServiceLinks", "false"),
                ("terminationGracePeriodSeconds", "35"),
                ("securityContext/runAsNonRoot", "true"),
                ("securityContext/runAsUser", "65532"),
                ("securityContext/runAsGroup", "65532"),
                ("securityContext/fsGroup", "65532"),
                ("securityContext/seccompProfile/type", "RuntimeDefault"),
                ("topologySpreadConstraints/0/maxSkew", "1"),
                ("topologySpreadConstraints/0/topologyKey", "topology.kubernetes.io/zone"),
                ("topologySpreadConstraints/1/maxSkew", "1"),
                ("topologySpreadConstraints/1/topologyKey", "kubernetes.io/hostname"),
                ("volumes/state/emptyDir/sizeLimit", "64Mi"),
                ("volumes/database-ca/secret/secretName", "medbuilder-database-ca"),
                ("volumes/database-ca/secret/optional", "true"),
            ]),
        of(
            "Deployment/medbuilder", below: "spec/template/spec/containers/medbuilder",
            [
                ("image", "medbuilder:0.1.0"),
                ("args/0", "serve"),
                ("ports/http/containerPort", "5000"),
                ("ports/management/containerPort", "5001"),
                ("env/APP_ENV/value", "production"),
                ("env/MANAGEMENT_PORT/value", "5001"),
                ("env/SHUTDOWN_DEADLINE_SECONDS/value", "28"),
                ("env/DATABASE_URL/valueFrom/secretKeyRef/name", "medbuilder-secrets"),
                ("env/DATABASE_URL/valueFrom/secretKeyRef/key", "database-url"),
                ("env/PHI_ENCRYPTION_KEY/valueFrom/secretKeyRef/name", "medbuilder-secrets"),
                ("env/PHI_ENCRYPTION_KEY/valueFrom/secretKeyRef/key", "phi-encryption-key"),
                ("env/POD_NAME/valueFrom/fieldRef/fieldPath", "metadata.name"),
                ("env/OTEL_RESOURCE_ATTRIBUTES/value", "service.instance.id=$(POD_NAME)"),
                ("startupProbe/httpGet/path", "/live"),
                ("startupProbe/initialDelaySeconds", "0"),
                ("startupProbe/periodSeconds", "5"),
                ("startupProbe/timeoutSeconds", "3"),
                ("startupProbe/failureThreshold", "12"),
                ("livenessProbe/httpGet/path", "/live"),
                ("livenessProbe/initialDelaySeconds", "30"),
                ("livenessProbe/periodSeconds", "10"),
                ("livenessProbe/timeoutSeconds", "3"),
                ("livenessProbe/failureThreshold", "3"),
                ("readinessProbe/httpGet/path", "/ready"),
                ("readinessProbe/initialDelaySeconds", "10"),
                ("readinessProbe/periodSeconds", "5"),
                ("readinessProbe/timeoutSeconds", "3"),
                ("readinessProbe/failureThreshold", "3"),
                ("lifecycle/preStop/sleep/seconds", "5"),
                ("resources/requests/cpu", "500m"),
                ("resources/requests/memory", "512Mi"),
                ("resources/limits/cpu", "1000m"),
                ("resources/limits/memory", "1Gi"),
                ("securityContext/allowPrivilegeEscalation", "false"),
                ("securityContext/readOnlyRootFilesystem", "true"),
                ("securityContext/capabilities/drop/0", "ALL"),
                ("volumeMounts/state/mountPath", "/state"),
                ("volumeMounts/database-ca/readOnly", "true"),
            ]),
        of(
            "Service/medbuilder",
            [("spec/type", "LoadBalancer"), ("spec/ports/0/port", "80"), ("spec/ports/0/targetPort", "http")]),
        of("Service/medbuilder-management", [("spec/type", "ClusterIP"), ("spec/ports/0/port", "5001")]),
        of(
            "HorizontalPodAutoscaler/medbuilder-hpa",
            [
                ("apiVersion", "autoscaling/v2"),
                ("spec/minReplicas", "3"),
                ("spec/maxReplicas", "10"),
                ("spec/metrics/0/resource/name", "cpu"),
                ("spec/metrics/0/resource/target/averageUtilization", "70"),
                ("spec/metrics/1/resource/name", "memory"),
                ("spec/metrics/1/resource/target/averageUtilization", "80"),
                ("spec/behavior/scaleUp/stabilizationWindowSeconds", "0"),
                ("spec/behavior/scaleUp/policies/0/type", "Percent"),
                ("spec/behavior/scaleUp/policies/0/value", "100"),
                ("spec/behavior/scaleUp/policies/0/periodSeconds", "60"),
                ("spec/behavior/scaleDown/stabilizationWindowSeconds", "300"),
                ("spec/behavior/scaleDown/policies/0/type", "Pods"),
                ("spec/behavior/scaleDown/policies/0/value", "1"),
                ("spec/behavior/scaleDown/policies/0/periodSeconds", "60"),
            ]),
        of("PodDisruptionBudget/medbuilder", [("spec/maxUnavailable", "1")]),
        of(
            "NetworkPolicy/medbuilder",
            [
                ("spec/ingress/0/ports/0/port", "5000"),
                ("spec/ingress/1/ports/0/port", "5001"),
                ("spec/egress/0/ports/0/port", "53"),
                ("spec/egress/0/ports/1/port", "53"),
                ("spec/egress/1/ports/0/port", "5432"),
                ("spec/egress/2/ports/0/port", "6379"),
                ("spec/egress/3/ports/0/port", "4318"),
            ]),
        of(
            "ServiceMonitor/medbuilder",
            [
                ("spec/endpoints/0/path", "/metrics"),
                ("spec/endpoints/0/interval", "15s"),
                ("spec/endpoints/0/scrapeTimeout", "10s"),
            ]),
        of(
            "Job/medbuilder-migrate",
            [
                ("spec/backoffLimit", "6"),
                ("spec/ttlSecondsAfterFinished", "3600"),
                ("spec/podFailurePolicy/rules/0/onExitCodes/values/0", "64"),
                ("spec/podFailurePolicy/rules/0/onExitCodes/values/1", "78"),
            ]),
        of(
            "Job/medbuilder-migrate", below: "spec/template/spec",
            [
                ("serviceAccountName", "medbuilder"),
                ("automountServiceAccountToken", "false"),
                ("enableServiceLinks", "false"),
                ("securityContext/runAsNonRoot", "true"),
                ("securityContext/runAsUser", "65532"),
                ("securityContext/runAsGroup", "65532"),
                ("containers/migrate/args/0", "migrate"),
                ("containers/migrate/resources/requests/cpu", "100m"),
                ("containers/migrate/resources/requests/memory", "128Mi"),
                ("containers/migrate/resources/limits/cpu", "1000m"),
                ("containers/migrate/resources/limits/memory", "512Mi"),
                ("containers/migrate/securityContext/allowPrivilegeEscalation", "false"),
                ("containers/migrate/securityContext/readOnlyRootFilesystem", "true"),
                ("containers/migrate/volumeMounts/database-ca/readOnly", "true"),
                ("volumes/database-ca/secret/optional", "true"),
            ]),
    ].flatMap { $0 }

    private static func of(_ object: String, below base: String = "", _ rows: [(String, String)]) -> [Fixed] {
        rows.map { path, value in
            Fixed(object: object, path: base.isEmpty ? path : "\(base)/\(path)", value: value)
        }
    }
}
