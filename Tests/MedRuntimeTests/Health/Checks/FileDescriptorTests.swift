// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedRuntime

@Suite struct FileDescriptorTests {
    @Test(
        arguments: [
            (80, 100, HealthStatus.healthy), (804, 1000, .healthy), (805, 1000, .degraded), (95, 100, .degraded),
            (96, 100, .unhealthy), (100, 100, .unhealthy), (130, 100, .unhealthy), (1, 0, .unhealthy),
        ] as [(Int, UInt64, HealthStatus)])
    func `above 80 percent it is degraded, above 95 unhealthy`(open: Int, limit: UInt64, status: HealthStatus)
        async throws
    {
        try await self.withFolder(entries: open + 1) { root in
            let report = try await HealthCheck.fileDescriptors(
                reader: FileDescriptorReader(root: root, softLimit: { limit })
            ).run()
            #expect(report.status == status)
            #expect(report.details[0].value == .integer(open))
            #expect(report.details[1].value == .integer(Int(limit)))
            #expect((report.reason != nil) == (status != .healthy))
            #expect((report.summary != nil) == (status != .healthy))
        }
    }

    @Test func `the details are named like memory's`() async throws {
        try await self.withFolder(entries: 91) { root in
            let report = try await HealthCheck.fileDescriptors(
                reader: FileDescriptorReader(root: root, softLimit: { 100 })
            ).run()
            #expect(
                report
                    == HealthReport(
                        status: .degraded,
                        details: [("used", .integer(90)), ("total", .integer(100)), ("percentage", .integer(90))],
                        reason: "More than 80 % of the 100 file descriptors are open. "
                            + "Raise the soft limit (ulimit -n), or look for what does not close its own.",
                        summary: "More than 80 % of the file descriptors are open."
                    )
            )
        }
    }

    @Test func `without proc nobody knows, and that is degraded`() async throws {
        let report = try await HealthCheck.fileDescriptors(reader: FileDescriptorReader(root: "/nonexistent")).run()
        #expect(report.status == .degraded)
        #expect(report.details.map(\.value) == [.null, .null, .null])
        #expect(report.reason?.contains("No such file or directory") == true)
        #expect(report.summary == "How many file descriptors are open is not known.")
    }

    @Test func `this process has the descriptors that were opened`() async throws {
        await #expect(processExitsWith: .success) {
            // The system's libraries open one or two when they are first used, on other threads. Once more, should one of
            // them have been closed in between.
            var isRight = false
            for _ in 0..<100 where !isRight {
                let before = try FileDescriptorReader().read()
                let opened = try (0..<50).map { _ in try FileHandle(forReadingFrom: URL(filePath: "/dev/null")) }
                let after = try FileDescriptorReader().read()
                let again = try FileDescriptorReader().read()
                isRight =
                    (50...54).contains(after.open - before.open) && after.limit == before.limit
                    && again.open - after.open <= 4
                withExtendedLifetime(opened) {}
            }
            precondition(isRight)
        }
    }

    @Test func `when none is left to look with, all are in use`() async throws {
        await #expect(processExitsWith: .success) {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = 64
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            // Once more, should one of the system's own threads have closed one of its descriptors in between.
            var usage: FileDescriptorUsage?
            for _ in 0..<100 where usage?.open != 64 {
                while open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 {}
                usage = try FileDescriptorReader().read()
            }
            precondition(usage?.open == 64 && usage?.limit == 64 && usage?.percentage == 100)
            let report = try await HealthCheck.fileDescriptors().run()
            precondition(report.status == .unhealthy)
        }
    }

    /// A root folder with that many numbers in `proc/self/fd`.
    private func withFolder(entries: Int, _ body: (String) async throws -> Void) async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "descriptors-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = root.appending(path: "proc/self/fd")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for number in 0..<entries { try Data().write(to: folder.appending(path: "\(number)")) }
        try await body(root.path)
    }
}
