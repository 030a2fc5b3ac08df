// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedRuntime
import MedTesting
import Testing

@testable import MedServer

struct CertificateCheckTests {
    @Test(arguments: [
        (days: 90, age: 0, status: HealthStatus.healthy), (90, 75, .healthy), (90, 77, .degraded), (90, 91, .unhealthy),
        // A fifth of ten days.
        (10, 7, .healthy), (10, 9, .degraded),
    ])
    func `a certificate is degraded when whatever renews it has failed`(
        days: Int, age: Int, status: HealthStatus
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "medserver-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = try await TestCertificate(in: folder, days: days)
        let identity = try TLSIdentity(
            files: Settings.TLS(
                certificateFile: files.server.path,
                keyFile: files.serverKey.path,
                clientAuthorityFile: nil,
                clientCertificate: .optional
            ),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let report = try await HealthCheck.certificate(of: identity) {
            Date(timeIntervalSinceNow: TimeInterval(age) * 86400 + 60)
        }.run()
        #expect(report.status == status)
        #expect((report.summary == nil) == (status == .healthy))
        #expect(report.details.first?.value == .integer(days - age - 1))
    }
}
