// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedPostgres
import MedStorage
import MedTesting
import Testing

/// Whether the server is the one that was asked for.
@Suite struct TLSTests {
    @Test func `a server is trusted for its certificate, its name and its date, and for nothing else`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "medpostgres-tls-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        func makeFolder(_ name: String) throws -> URL {
            let made = folder.appending(path: name)
            try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
            return made
        }
        let certificate = try await TestCertificate(in: makeFolder("good"))
        let stranger = try await TestCertificate(in: makeFolder("strange"))
        let expired = try await TestCertificate(in: makeFolder("expired"), days: -1)
        let server = try await PostgresServer(in: makeFolder("server"), certificate: certificate)
        let outdated = try await PostgresServer(in: makeFolder("outdated"), certificate: expired)
        func outcome(
            _ server: PostgresServer, host: String = "localhost", authority: URL, more: String = ""
        ) async -> DatabaseError.Code? {
            let options = "sslmode=verify-full&sslrootcert=\(authority.path)\(more)"
            guard let location = PostgresLocation(url: server.url("postgres", host: host, options: options)) else {
                return .other
            }
            let database = PostgresDatabase(
                location: location, migrations: .medBuilder, limits: PostgresLimits(connect: .seconds(30)),
                logger: quiet)
            let code = await code { try await database.open() }
            await database.close()
            return code
        }
        #expect(await outcome(server, authority: certificate.authority) == nil)
        // SCRAM binds the login to this very channel (RFC 5802, RFC 5929).
        #expect(await outcome(server, authority: certificate.authority, more: "&channel_binding=require") == nil)
        #expect(await outcome(server, authority: stranger.authority) == .untrusted)
        // It is the same machine, and the certificate knows nothing of that name.
        #expect(
            await outcome(
                server, host: "db.example", authority: certificate.authority, more: "&hostaddr=127.0.0.1") == .untrusted
        )
        #expect(await outcome(outdated, authority: expired.authority) == .untrusted)
        #expect(await outcome(server, authority: folder.appending(path: "none.pem")) == .untrusted)
        await server.end()
        await outdated.end()
    }

    @Test func `a wrong password is a refused login, and is not in the error`() async throws {
        let server = try await SharedServer.shared.server()
        let database = try makeDatabase(server.url("postgres", password: "hunter2"))
        do {
            try await database.open()
            Issue.record("It was let in.")
        } catch {
            #expect(error.code == .loginRefused && error.sqlState == "28P01")
            #expect(!error.description.contains("hunter2"))
        }
        await database.close()
    }
}
