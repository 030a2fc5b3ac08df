// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct OTLPConfigurationTests {
    private let endpoint = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"]

    private func read(_ environment: [String: String]) throws(OTLPConfigurationError) -> OTLPConfiguration {
        try OTLPConfiguration(environment: environment)
    }

    private func mistakes(_ environment: [String: String]) -> [String] {
        do throws(OTLPConfigurationError) {
            _ = try OTLPConfiguration(environment: environment)
            return []
        } catch {
            return error.mistakes
        }
    }

    @Test func `without an endpoint nothing is exported`() throws {
        let configuration = try self.read(["OTEL_TRACES_SAMPLER": "always_on", "OTEL_EXPORTER_OTLP_ENDPOINT": " "])
        #expect(!configuration.isEnabled)
        #expect(try self.read([:]) == OTLPConfiguration())
    }

    @Test func `an endpoint for all gets the path of each signal`() throws {
        for url in ["http://collector:4318/base", "http://collector:4318/base/"] {
            let configuration = try self.read(["OTEL_EXPORTER_OTLP_ENDPOINT": url])
            #expect(configuration.traces == OTLPEndpoint(url: "http://collector:4318/base/v1/traces"))
            #expect(configuration.metrics?.url == "http://collector:4318/base/v1/metrics")
            #expect(configuration.logs?.url == "http://collector:4318/base/v1/logs")
        }
    }

    @Test func `an endpoint for one signal is used as it is`() throws {
        let one = try self.read(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://[::1]:4318/x?y=z"])
        #expect(one.traces?.url == "https://[::1]:4318/x?y=z")
        #expect(one.metrics == nil)
        let both = try self.read(
            self.endpoint.merging(["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs"]) { $1 })
        #expect(both.logs?.url == "http://logs")
        #expect(both.traces?.url == "http://collector:4318/v1/traces")
    }

    @Test func `every setting of a signal comes before the common one`() throws {
        let configuration = try self.read(
            self.endpoint.merging([
                "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20key , X-Other=1",
                "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "api-key=other",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
                "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
                "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "1",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "none",
            ]) { $1 })
        #expect(
            configuration.traces
                == OTLPEndpoint(
                    url: "http://collector:4318/v1/traces",
                    headers: [.init(name: "api-key", value: "a key"), .init(name: "X-Other", value: "1")],
                    form: .json, isCompressed: true, timeout: .milliseconds(2500)))
        #expect(
            configuration.logs
                == OTLPEndpoint(
                    url: "http://collector:4318/v1/logs", headers: [.init(name: "api-key", value: "other")],
                    form: .protobuf, isCompressed: false, timeout: .milliseconds(1)))
    }

    @Test func `a signal may go nowhere`() throws {
        let configuration = try self.read(self.endpoint.merging(["OTEL_METRICS_EXPORTER": "none"]) { $1 })
        #expect(configuration.metrics == nil)
        #expect(configuration.traces != nil)
        let disabled = try self.read(
            self.endpoint.merging(["OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"]) { $1 })
        #expect(!disabled.isEnabled)
    }

    @Test func `the resource says what the variables say, then what the program says`() throws {
        let configuration = try self.read([
            "OTEL_SERVICE_NAME": "clinic",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,deployment.environment.name=pro%2Cduction, a = b ",
        ])
        let resource = configuration.resource([
            OTLPAttribute("service.name", "med"), OTLPAttribute("service.version", "1"), OTLPAttribute("a", "x"),
        ])
        #expect(
            resource == [
                OTLPAttribute("deployment.environment.name", "pro,duction"), OTLPAttribute("a", "b"),
                OTLPAttribute("service.name", "clinic"), OTLPAttribute("service.version", "1"),
            ])
        #expect(try self.read(["OTEL_RESOURCE_ATTRIBUTES": "service.name=x"]).serviceName == "x")
    }

    @Test func `what is set in vain is known`() throws {
        let common = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "HOME": "/"]
        #expect(try self.read(common).unusedVariables.isEmpty)
        let all = common.merging([
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4318", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b",
            "OTEL_EXPORTER_OTLP_HEADERS": "c=d", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1",
        ]) { $1 }
        #expect(try self.read(all).unusedVariables.isEmpty)
        let wrong = all.merging([
            "OTEL_EXPORTER_OLTP_HEADERS": "key=secret", "OTEL_TRACES_SAMPLER": "always_on",
        ]) { $1 }
        // Most of all if nothing leaves because of it, and not if it is empty, which is the same as not set.
        #expect(try self.read(["OTEL_X": " ", "OTEL_EXPORTER_OTLP_HEADERS": ""]).unusedVariables.isEmpty)
        #expect(
            try self.read(["OTEL_EXPORTER_OLTP_ENDPOINT": "http://collector:4318", "OTEL_SERVICE_NAME": "x"])
                .unusedVariables == ["OTEL_EXPORTER_OLTP_ENDPOINT"])
        #expect(try self.read(["OTEL_SDK_DISABLED": "true", "OTEL_X": "y"]).unusedVariables.isEmpty)
        #expect(try self.read(wrong).unusedVariables == ["OTEL_EXPORTER_OLTP_HEADERS", "OTEL_TRACES_SAMPLER_ARG"])
    }

    @Test func `what is set for a signal that does not leave is set in vain`() throws {
        let headers = ["OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "c=d"]
        #expect(
            try self.read(headers).unusedVariables == [
                "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            ])
        // Only logs leave, and these have headers of their own.
        let logs = headers.merging(["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs"]) { $1 }
        #expect(try self.read(logs).unusedVariables == ["OTEL_EXPORTER_OTLP_HEADERS"])
        let others = logs.merging([
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://metrics", "OTEL_METRICS_EXPORTER": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "1", "OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_BLRP_SCHEDULE_DELAY": "1",
            "OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_PROPAGATORS": "baggage", "OTEL_SERVICE_NAME": "clinic",
        ]) { $1 }
        #expect(
            try self.read(others).unusedVariables == [
                "OTEL_BSP_SCHEDULE_DELAY", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER",
            ])
        #expect(try self.read(["OTEL_PROPAGATORS": "baggage"]).unusedVariables == ["OTEL_PROPAGATORS"])
    }

    @Test func `a signal that there is not does not leave, and its endpoint is set in vain`() throws {
        let environment = ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://metrics"]
        let without = try OTLPConfiguration(environment: environment, signals: [.traces, .logs])
        #expect(!without.isEnabled)
        #expect(without.unusedVariables == ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"])
        let common = try OTLPConfiguration(environment: self.endpoint, signals: [.traces, .logs])
        #expect(common.metrics == nil && common.traces != nil && common.unusedVariables.isEmpty)
    }

    @Test func `a resource attribute without a value counts as not given`() throws {
        let configuration = try self.read([
            "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=,service.name= ,a=1,a=,b=2"
        ])
        #expect(configuration.resourceValue("service.instance.id") == nil && configuration.serviceName == nil)
        #expect(
            configuration.resource([OTLPAttribute("service.instance.id", "made"), OTLPAttribute("service.name", "med")])
                == [
                    OTLPAttribute("b", "2"), OTLPAttribute("service.instance.id", "made"),
                    OTLPAttribute("service.name", "med"),
                ])
    }

    @Test func `who this is, is known although nothing leaves`() throws {
        let configuration = try self.read([
            "OTEL_SDK_DISABLED": "true", "OTEL_SERVICE_NAME": "clinic",
            "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=pod-7", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector",
        ])
        #expect(!configuration.isEnabled && configuration.unusedVariables.isEmpty)
        #expect(configuration.resourceValue("service.name") == "clinic")
        #expect(configuration.resourceValue("service.instance.id") == "pod-7")
    }

    @Test func `of an endpoint the host and the port can be shown, and no more`() {
        #expect(OTLPEndpoint(url: "https://collector:4318/v1/traces?key=secret").address == "collector:4318")
        #expect(OTLPEndpoint(url: "http://[::1]?key=secret").address == "[::1]")
        for (url, host, port) in [
            ("https://collector:4318/v1/traces", "collector", 4318), ("HTTPS://collector/x:9", "collector", 443),
            ("http://10.0.0.1", "10.0.0.1", 80), ("http://[fd00::1]:4318", "fd00::1", 4318),
            ("https://[::1]?key=secret", "::1", 443),
        ] {
            #expect(OTLPEndpoint(url: url).host == host)
            #expect(OTLPEndpoint(url: url).port == port)
        }
    }

    @Test func `a variable in the place of a host is a mistake`() {
        #expect(throws: OTLPConfigurationError.self) {
            try self.read(["OTEL_EXPORTER_OTLP_ENDPOINT": "http://$HOST:4318"])
        }
    }

    @Test func `samplers have the names of the specification`() throws {
        let samplers: [String: TraceSampler] = [
            "always_on": TraceSampler(ratio: 1, rule: .own), "always_off": TraceSampler(ratio: 0, rule: .own),
            "traceidratio": TraceSampler(ratio: 0.25, rule: .own),
            "parentbased_always_on": TraceSampler(ratio: 1, rule: .parent),
            "parentbased_always_off": TraceSampler(ratio: 0, rule: .parent),
            "parentbased_traceidratio": TraceSampler(ratio: 0.25, rule: .parent),
        ]
        for (name, sampler) in samplers {
            let environment = ["OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0.25"]
            #expect(try self.read(environment).sampler == sampler)
        }
        #expect(try self.read(["OTEL_TRACES_SAMPLER": "traceidratio"]).sampler.ratio == 1)
        #expect(try self.read([:]).sampler == .parentBasedAlwaysOn)
    }

    @Test func `the other settings are read`() throws {
        let configuration = try self.read([
            "OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3",
            "OTEL_BSP_EXPORT_TIMEOUT": "4", "OTEL_BLRP_MAX_QUEUE_SIZE": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "5", "OTEL_METRIC_EXPORT_TIMEOUT": "6",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "LowMemory", "OTEL_PROPAGATORS": "baggage, none",
            "OTEL_KEEP_ERRORS": "always",
        ])
        #expect(
            configuration.spanBatching
                == OTLPBatching(
                    delay: .milliseconds(1), queueLimit: 20, batchLimit: 3, exportTimeout: .milliseconds(4)))
        #expect(configuration.logBatching == OTLPBatching(delay: .seconds(1), queueLimit: 100, batchLimit: 100))
        #expect(configuration.metricInterval == .milliseconds(5))
        #expect(configuration.metricTimeout == .milliseconds(6))
        #expect(configuration.temporality == .lowMemory)
        #expect(configuration.propagation == W3CPropagation(.baggage))
        #expect(configuration.keepErrors == .always)
    }

    @Test func `every mistake is told at once, in a sentence that names its variable`() {
        let wrong = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": "no-value",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "10s", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/xml",
            "OTEL_TRACES_EXPORTER": "jaeger", "OTEL_RESOURCE_ATTRIBUTES": "a", "OTEL_TRACES_SAMPLER": "sometimes",
            "OTEL_BSP_SCHEDULE_DELAY": "-1", "OTEL_BLRP_MAX_QUEUE_SIZE": "many", "OTEL_BSP_MAX_QUEUE_SIZE": "10",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "11", "OTEL_METRIC_EXPORT_INTERVAL": "0",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "both", "OTEL_PROPAGATORS": "b3",
            "OTEL_KEEP_ERRORS": "maybe", "OTEL_SDK_DISABLED": "1", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/nowhere",
        ]
        let mistakes = self.mistakes(wrong)
        for name in wrong.keys where name != "OTEL_BSP_MAX_QUEUE_SIZE" {
            #expect(mistakes.contains { $0.hasPrefix(name) && $0.hasSuffix(".") }, "\(name)")
        }
        #expect(mistakes.count == wrong.count - 1)
        #expect(Set(mistakes).count == mistakes.count)
    }

    @Test func `grpc is refused with what to do`() {
        let mistakes = self.mistakes(["OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"])
        #expect(mistakes.count == 1)
        #expect(mistakes.first?.contains("http/protobuf") == true)
    }

    @Test func `no sentence and no description shows a header or an address`() throws {
        let wrong = self.mistakes([
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=S3CRET\u{1}, S3CRET", "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "S3 CRET=x",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:S3CRET@collector",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "S3CRET",
        ])
        #expect(wrong.count == 5)
        #expect(!wrong.joined().contains("CRET"))
        let right = try self.read(self.endpoint.merging(["OTEL_EXPORTER_OTLP_HEADERS": "api-key=S3CRET"]) { $1 })
        #expect(right.traces?.headers.first?.value == "S3CRET")
        var dumped = ""
        dump(right, to: &dumped)
        #expect(!"\(right)\(dumped)".contains("S3CRET"))
    }

    @Test func `what is no address of a collector is refused`() {
        for url in [
            "collector", "ftp://a", "http://", "http:///v1", "http://a:0", "http://a:65536", "http://a:b", "http://a b",
            "http://a/#x", "http://a:1:2", "http://[::1]:", "http://[]", "http://u@a", "http://a?x=1", "http://é",
        ] {
            #expect(self.mistakes(["OTEL_EXPORTER_OTLP_ENDPOINT": url]).count == 1, "\(url)")
        }
    }

    @Test func `a header that the exporter sets itself is refused`() {
        #expect(self.mistakes(["OTEL_EXPORTER_OTLP_HEADERS": "Content-Length=1"]).count == 1)
    }
}
