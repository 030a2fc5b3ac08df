// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

/// How often the second net takes what is none of its business, over texts that a server like ours logs.
///
/// The numbers are the measurement: a rule that changes one of them changes this file.
@Suite struct ScrubberFalsePositiveTests {
    private static func hex(_ count: Int, _ random: inout SplitMix) -> String {
        String((0..<count).map { _ in Array("0123456789abcdef")[Int(random.next() % 16)] })
    }

    private static func digits(_ count: Int, _ random: inout SplitMix) -> String {
        String(random.next() % 9 + 1) + String((1..<count).map { _ in Array("0123456789")[Int(random.next() % 10)] })
    }

    private static func base64(_ count: Int, _ random: inout SplitMix) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        return String((0..<count).map { _ in alphabet[Int(random.next() % 64)] })
    }

    struct Kind: Sendable, CustomTestStringConvertible {
        let name: String
        /// How many of two thousand are taken for something else.
        let expected: Int
        let make: @Sendable (inout SplitMix) -> String
        var testDescription: String { self.name }
    }

    static let kinds: [Kind] = [
        Kind(name: "UUID", expected: 0) {
            "\(hex(8, &$0))-\(hex(4, &$0))-4\(hex(3, &$0))-a\(hex(3, &$0))-\(hex(12, &$0))"
        },
        Kind(name: "trace and span id", expected: 0) { "00-\(hex(32, &$0))-\(hex(16, &$0))-01" },
        Kind(name: "SHA-256", expected: 0) { "sha256:\(hex(64, &$0))" },
        Kind(name: "Git commit", expected: 0) { "commit \(hex(40, &$0)) (\(hex(7, &$0)))" },
        Kind(name: "base64 of 32 bytes", expected: 0) { "\(base64(43, &$0))=" },
        Kind(name: "ISO 8601 time", expected: 0) {
            "20\(digits(2, &$0))-0\(digits(1, &$0))-1\($0.next() % 10)T1\($0.next() % 10):2\($0.next() % 10):3\($0.next() % 10).\(digits(3, &$0))+01:00"
        },
        Kind(name: "IPv4 address and port", expected: 0) {
            "\($0.next() % 256).\($0.next() % 256).\($0.next() % 256).\($0.next() % 256):\($0.next() % 65_536)"
        },
        Kind(name: "IPv6 address", expected: 0) { r in "[2001:db8::\(hex(4, &r)):\(hex(4, &r)):\(hex(3, &r))]:5000" },
        Kind(name: "version", expected: 0) {
            "\($0.next() % 20).\($0.next() % 30).\($0.next() % 99)-rc.\($0.next() % 9)+\(hex(7, &$0))"
        },
        Kind(name: "file path", expected: 0) { "/var/lib/medbuilder/\(hex(2, &$0))/\(hex(30, &$0)).sqlite-wal" },
        Kind(name: "9 digits", expected: 0) { digits(9, &$0) },
        Kind(name: "10 digits", expected: 0) { digits(10, &$0) },
        Kind(name: "13 digits (milliseconds)", expected: 0) { "17\(digits(11, &$0))" },
        Kind(name: "19 digits (nanoseconds)", expected: 0) { "17\(digits(17, &$0))" },
        Kind(name: "16 random digits", expected: 59) { digits(16, &$0) },
        Kind(name: "FHIR id", expected: 0) {
            "Patient/\(digits(7, &$0)) Observation/\(hex(12, &$0))/_history/\($0.next() % 99)"
        },
        Kind(name: "FHIR url", expected: 0) { "http://hl7.org/fhir/StructureDefinition/\(hex(8, &$0))|4.0.1" },
        Kind(name: "access log", expected: 0) {
            "GET /patients/{id}/observations 200 \($0.next() % 9999) \($0.next() % 99_999) \($0.next() % 999) ms"
        },
        Kind(name: "SQL", expected: 0) {
            "SELECT id, key, token_hash FROM sessions WHERE key = $1 AND token = $2 AND id > \($0.next() % 1_000_000) LIMIT 50"
        },
        Kind(name: "pool and queue", expected: 0) {
            "pool=\($0.next() % 20) idle=\($0.next() % 20) waiting=0 key: jobs:\($0.next() % 999) duration=0.\(digits(6, &$0))s"
        },
        Kind(name: "host names", expected: 0) {
            "medbuilder-\(hex(9, &$0))-\(hex(5, &$0)).medbuilder.svc.cluster.local:5432"
        },
        Kind(name: "image", expected: 0) { "registry.example.org/med/builder@sha256:\(hex(64, &$0))" },
        Kind(name: "memory addresses", expected: 0) {
            "at 0x\(hex(12, &$0)) in MedServer.Router.handle(_:) + \($0.next() % 999)"
        },
        Kind(name: "idempotency key", expected: 0) { "Idempotency-Key: \(hex(8, &$0))-\(hex(4, &$0))" },
    ]

    /// Lines as a server, its database and its neighbours write them.
    private static let lines = [
        "serving on port 5000",
        "SIGTERM received, starting graceful shutdown...",
        "Server closed, cleaning up resources...",
        "Graceful shutdown complete",
        "Forced shutdown after timeout",
        "GET /health 200 1 ms",
        "GET /patients/{id} 404 3.2 ms request=7b1c3f0e-9a2d-4c55-8c1e-6f3a2b1c0d9e",
        "POST /fhir/Observation 201 Location: /fhir/Observation/8843291/_history/1",
        "Draining http.inFlight=3 websockets=12 jobs=0",
        "pool: 10 connections, 3 idle, 7 busy, 0 waiting",
        "connection to server at \"10.96.0.12\", port 5432 failed: Connection refused",
        "connection to server at \"db-0.db.prod.svc.cluster.local\" (10.1.2.3), port 5432 failed: timeout expired",
        "FATAL: password authentication failed for user \"med\"",
        "FATAL: no pg_hba.conf entry for host \"10.1.2.3\", user \"med\", database \"med\", no encryption",
        "ERROR: duplicate key value violates unique constraint \"patients_pkey\"",
        "DETAIL: Key (id)=(42) already exists.",
        "ERROR: insert or update on table \"visits\" violates foreign key constraint \"visits_patient_id_fkey\"",
        "ERROR: relation \"schema_migrations\" does not exist at character 15",
        "LOG: checkpoint complete: wrote 3123 buffers (19.1%); 0 WAL file(s) added, 0 removed, 1 recycled; write=26.9 s",
        "LOG: duration: 1234.567 ms statement: SELECT id, name_enc FROM patients WHERE blind_index = $1 LIMIT 50",
        "migration 20240117093000_add_visits applied in 12 ms",
        "UPDATE sessions SET token_hash = $1, key_id = $2 WHERE id = $3",
        "CREATE INDEX patients_mrn_idx ON patients (mrn_blind)",
        "select count(*) from audit where at > '2024-01-17T09:30:00Z' and actor = $1",
        "TLS handshake failed: certificate verify failed (self-signed certificate in certificate chain)",
        "NIOSSL: handshakeFailed(sslError([Error: 268435703 error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER]))",
        "certificate serial 03:a1:5f:9c:77:21:00:b4 expires 2025-04-17T09:30:00Z",
        "certificate fingerprint SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDfJbMKRbEDyEpB4qY",
        "HTTP/2 GOAWAY last-stream-id=2147483647 error=NO_ERROR",
        "WebSocket closed: 1012 service restart",
        "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "exported 512 spans to http://otel-collector.monitoring:4318/v1/traces in 12 ms",
        "OTLP export answered 429, Retry-After: 30",
        "memory 373 of 507 MiB (74 %)",
        "cache hit ratio 0.9731, keys: 10234, evicted: 12, key: patients:42",
        "redis: MOVED 3999 10.0.0.12:6381",
        "job 9007199254740993 retried (attempt 3 of 10), next at 1717171717171",
        "job lock key=42 held by worker-3 for 1200 ms",
        "idempotency key reused: request was already answered",
        "unexpected token: identifier at line 12, column 40",
        "token expired 120 s ago",
        "token bucket: rate=100 burst=200",
        "max_tokens=4096 total_tokens=123456",
        "secret medbuilder-secrets: mounted at /run/secrets, 2 files",
        "reading key file .medbuilder/phi.key: mode 0600",
        "key rotation: 3 keys on the ring, active key id 2024-01",
        "Bearer authentication required",
        "basic auth disabled; bearer only",
        "user agent Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
        "user agent kube-probe/1.30",
        "pulling docker.io/library/postgres:16.3@sha256:0aafd2ae7e6c391f39fb6b7621632d79f54068faebc726caf469e87bd1d301c0",
        "git checkout of git@github.com:apple/swift-nio.git at 2.101.2",
        "Package.resolved: swift-crypto 4.5.2 (revision 95ba0316a9b733e92bb6b071255ff46263bbe7dc)",
        "Fatal error: Index out of range at Swift/ContiguousArrayBuffer.swift:600",
        "0x00007f8b4c2d5e10 in closure #1 in Router.handle(_:) at /src/Sources/MedServer/Router.swift:123",
        "process 1 (medbuilder) started by uid=10001 gid=10001 on node ip-10-0-12-34.eu-central-1.compute.internal",
        "systemd: postgresql@16-main.service: Main process exited, code=exited, status=0/SUCCESS",
        "cgroup /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1b2c3d4e_5f60_7182_93a4_b5c6d7e8f901.slice",
        "leader election: lease medbuilder-1700000000 renewed, fencing token 8412",
        "schema version 42 is newer than this binary (41); compatible from 40",
        "HL7 message MSH|^~\\&|LAB|HOSP|MED|HOSP|20240117093000||ORU^R01|00012345|P|2.5.1",
        "ICD-10 code E11.9, LOINC 4548-4, SNOMED 44054006, CPT 99213",
        "dose 12.5-25 mg, range 3.5-5.0 mmol/L, BP 120/80",
        "Content-Range: bytes 0-1023/146515",
        "ETag: W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
        "cookie dropped: SameSite=Lax; Path=/; Max-Age=3600",
        "retry in 250 ms +/- 50 ms (attempt 7)",
        "clock offset -0.000123 s, drift 12.345 ppm",
        "usage: medbuilder serve [--port N] [--host A] [--database-url URL]",
    ]

    @Test func `of seventy ordinary lines none is taken for something else`() {
        #expect(Self.lines.count == 70)
        #expect(Self.lines.filter { Scrubber.scrub($0) != $0 } == [])
    }

    @Test(arguments: kinds)
    func `of two thousand identifiers so many are taken for something else`(kind: Kind) {
        var random = SplitMix(state: 42)
        var wrong: [String] = []
        for _ in 0..<2000 {
            let text = kind.make(&random)
            if Scrubber.scrub(text) != text { wrong.append(text) }
        }
        #expect(wrong.count == kind.expected, "\(wrong.prefix(3))")
    }
}
