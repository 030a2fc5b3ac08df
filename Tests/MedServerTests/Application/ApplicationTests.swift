// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedPrivacy
import MedRuntime
import MedSQLite
import MedStorage
import MedTesting
import ServiceLifecycle
import Testing

@testable import MedServer

/// The whole server in this process, on a real port and a real file, for what cannot be provoked from outside.
@Suite struct ApplicationTests {
    struct Failure: Error {}

    /// A service that does what a closure says.
    struct ClosureService: Service {
        let body: @Sendable () async throws -> Void
        func run() async throws { try await self.body() }
    }

    /// A server in a folder of its own.
    final class Fixture: Sendable {
        let folder: URL
        let log = RecordedLog()
        let lifecycle: Lifecycle
        private let exits = AsyncStream.makeStream(of: Int32.self)

        init() throws {
            self.folder = FileManager.default.temporaryDirectory.appending(path: "medbuilder-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
            let exits = self.exits.continuation
            self.lifecycle = Lifecycle(
                configuration: ShutdownConfiguration(grace: .seconds(60), deadline: .seconds(120)),
                logger: self.log.logger,
                lastWords: { _ in },
                exit: { exits.yield($0) }
            )
        }

        deinit { try? FileManager.default.removeItem(at: self.folder) }

        /// Opens the port and serves in the background.
        func serve(services: [any Service] = []) async throws -> Int {
            let settings = try Settings.load(
                environment: [
                    "PORT": "0", "HOST": "127.0.0.1", "DRILL_ROUTES": "on", "PHI_ENCRYPTION": "off", "APP_ENV": "test",
                    "DATABASE_URL": "sqlite:\(self.folder.path)/test.sqlite",
                    // Other tests have the processors: nobody stalls, and nobody is late.
                    "HTTP_HEADER_TIMEOUT_SECONDS": "600", "LIVE_STALL_SECONDS": "600",
                ]
            )
            let application = Application(
                settings: settings,
                key: nil,
                database: SQLiteDatabase(
                    path: self.folder.path + "/test.sqlite",
                    createParentFolders: false,
                    migrations: .medBuilder,
                    logger: self.log.logger
                ),
                lifecycle: self.lifecycle,
                services: services,
                logger: self.log.logger
            )
            let port = try await application.open()
            Task { await application.run() }
            return port
        }

        func waitUntilServing() async throws {
            while self.lifecycle.phase == .starting { try await Task.sleep(for: .milliseconds(1)) }
        }

        func exitCode() async -> Int32? { await self.exits.stream.first { _ in true } }
    }

    @Test func `a service that throws begins a shutdown in which requests in flight still have their database`()
        async throws
    {
        let fixture = try Fixture()
        let gate = AsyncStream.makeStream(of: Void.self)
        let failing = ClosureService {
            for await _ in gate.stream {}
            throw Failure()
        }
        let port = try await fixture.serve(services: [failing])
        try await fixture.waitUntilServing()
        async let slow = RawClient.exchange(port: port, "POST", "/_drill/transaction?ms=3000&value=x")
        while fixture.lifecycle.work.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
        gate.continuation.finish()
        #expect(try await slow.status == 201)
        #expect(await fixture.exitCode() == 70)
        #expect(fixture.log.messages.contains("A service ended"))
        #expect(fixture.log.messages.contains("UNCAUGHT_EXCEPTION received, starting graceful shutdown..."))
        #expect(fixture.log.messages.last { $0.contains("hutdown") } == "Graceful shutdown complete")
    }

    @Test func `a service that returns unasked begins a shutdown`() async throws {
        let fixture = try Fixture()
        _ = try await fixture.serve(services: [ClosureService {}])
        #expect(await fixture.exitCode() == 70)
        #expect(fixture.log.text.contains("EndedUnexpectedly"))
    }

    @Test func `a service is asked to end only when nothing is in flight any more`() async throws {
        let fixture = try Fixture()
        let lifecycle = fixture.lifecycle
        let phases = AsyncStream.makeStream(of: Phase.self)
        let patient = ClosureService {
            try? await gracefulShutdown()
            phases.continuation.yield(lifecycle.phase)
        }
        _ = try await fixture.serve(services: [patient])
        try await fixture.waitUntilServing()
        lifecycle.stop(.sigterm)
        #expect(await phases.stream.first { _ in true } == .cleaningUp)
        #expect(await fixture.exitCode() == 0)
    }

    @Test func `probes are answered while resources are released`() async throws {
        let fixture = try Fixture()
        let port = try await fixture.serve()
        try await fixture.waitUntilServing()
        let gate = AsyncStream.makeStream(of: Void.self)
        fixture.lifecycle.onCleanUp("slow") { for await _ in gate.stream {} }
        fixture.lifecycle.stop(.sigterm)
        while fixture.lifecycle.phase != .cleaningUp { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await RawClient.exchange(port: port, "GET", "/live").status == 200)
        #expect(try await RawClient.exchange(port: port, "GET", "/ready").status == 503)
        #expect(try await RawClient.exchange(port: port, "GET", "/health").status == 503)
        let refused = try await RawClient.exchange(port: port, "GET", "/_drill/rows")
        #expect(refused.status == 503)
        #expect(refused["Retry-After"] != nil)
        #expect(refused["X-Request-Refused"] == "shutting_down")
        #expect(refused.saysClose)
        gate.continuation.finish()
        #expect(await fixture.exitCode() == 0)
    }

    @Test func `transactions are named in the account of what is in flight`() async throws {
        let fixture = try Fixture()
        let port = try await fixture.serve()
        try await fixture.waitUntilServing()
        async let slow = RawClient.exchange(port: port, "POST", "/_drill/transaction?ms=3000")
        while fixture.lifecycle.work.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(fixture.lifecycle.work.summary() == "POST /_drill/transaction ×1, transaction ×1")
        #expect(try await slow.status == 201)
        fixture.lifecycle.stop(.sigterm)
        #expect(await fixture.exitCode() == 0)
    }
}
