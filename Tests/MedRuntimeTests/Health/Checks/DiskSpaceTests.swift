// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Synchronization
import Testing

@testable import MedRuntime

@Suite struct DiskSpaceTests {
    private static let gibibyte: UInt64 = 1 << 30

    private func room(_ available: UInt64, of total: UInt64) -> DiskSpace.Room {
        DiskSpace.Room(used: total - available, available: available)
    }

    private func space(_ folder: String, _ bytes: DiskSpace.Room, files: DiskSpace.Room? = nil) -> DiskSpace {
        DiskSpace(folder: folder, bytes: bytes, files: files)
    }

    private func check(_ folders: [String], _ look: @escaping DiskSpaceReader.Look) -> HealthCheck {
        .diskSpace(reader: DiskSpaceReader(folders: folders, look: look))
    }

    // MARK: The limits

    @Test(
        arguments: [
            // A large disk: an amount.
            (1 << 30, 1 << 40, HealthStatus.healthy), ((1 << 30) - 1, 1 << 40, .degraded),
            (64 << 20, 1 << 40, .degraded),
            ((64 << 20) - 1, 1 << 40, .unhealthy), (0, 1 << 40, .unhealthy),
            // A small volume: a share.
            (200 << 20, 2000 << 20, .healthy), ((200 << 20) - 1, 2000 << 20, .degraded),
            (10 << 20, 100 << 20, .healthy),
            ((10 << 20) - 1, 100 << 20, .degraded), (5 << 20, 100 << 20, .degraded),
            ((5 << 20) - 1, 100 << 20, .unhealthy),
            (64 << 10, 64 << 10, .healthy), (0, 64 << 10, .unhealthy),
        ] as [(UInt64, UInt64, HealthStatus)])
    func `too little is the smaller of a share and an amount`(available: UInt64, total: UInt64, status: HealthStatus) {
        #expect(self.space("/state", self.room(available, of: total)).status == status)
    }

    @Test(
        arguments: [
            (10_000, 60_000_000, HealthStatus.healthy), (9_999, 60_000_000, .degraded), (999, 60_000_000, .unhealthy),
            (100, 1000, .healthy), (99, 1000, .degraded), (49, 1000, .unhealthy),
        ] as [(UInt64, UInt64, HealthStatus)])
    func `files run out like bytes`(available: UInt64, total: UInt64, status: HealthStatus) {
        let plenty = self.room(Self.gibibyte * 50, of: Self.gibibyte * 100)
        #expect(self.space("/state", plenty, files: self.room(available, of: total)).status == status)
    }

    @Test func `no numbers overflow`() {
        let room = DiskSpace.Room(blocks: .max, free: .max / 2, available: .max, size: .max)
        #expect(room.total == .max)
        #expect(room.percentage == 100)
        #expect(DiskSpace.Room(blocks: 1, free: .max, available: .max, size: 4096) == self.room(4096, of: 4096))
    }

    // MARK: The report

    @Test func `the details are those of the file system that is worst off`() async throws {
        let report = try await self.check(["/state", "/data"]) { folder throws(DiskSpaceError) in
            folder == "/state"
                ? (1, self.space(folder, self.room(10 * Self.gibibyte, of: 100 * Self.gibibyte)))
                : (
                    2,
                    self.space(folder, self.room(Self.gibibyte / 2, of: 8 * Self.gibibyte), files: self.room(3, of: 4))
                )
        }.run()
        #expect(
            report
                == HealthReport(
                    status: .degraded,
                    details: [
                        ("used", .integer(7680)), ("total", .integer(8192)), ("percentage", .integer(94)),
                        ("inodePercentage", .integer(25)),
                    ],
                    reason: "The file system of /data has less than 819 MiB left.",
                    summary: "There is little disk space left."
                )
        )
    }

    @Test func `inodes that run out are named`() async throws {
        let report = try await self.check(["/state"]) { folder throws(DiskSpaceError) in
            (1, self.space(folder, self.room(50 << 20, of: 100 << 20), files: self.room(40, of: 1000)))
        }.run()
        #expect(report.status == .unhealthy)
        #expect(report.reason == "The file system of /state has fewer than 50 inodes left.")
        #expect(report.summary == "There is hardly any room for files left.")
    }

    @Test func `two folders on one file system count once`() {
        let reader = DiskSpaceReader(folders: ["/a", "/b", "/c"]) { folder throws(DiskSpaceError) in
            (folder == "/c" ? 2 : 1, self.space(folder, self.room(1, of: 2)))
        }
        #expect(reader.read().map { try? $0.get().folder } == ["/a", "/c"])
    }

    @Test func `a folder that cannot be looked at is reported, and does not hide another's trouble`() async throws {
        let report = try await self.check(["/gone", "/full"]) { folder throws(DiskSpaceError) in
            if folder == "/gone" { throw .unavailable(folder, problem: "No such file or directory") }
            return (1, self.space(folder, self.room(0, of: Self.gibibyte)))
        }.run()
        #expect(report.status == .unhealthy)
        #expect(report.summary == "There is hardly any disk space left.")
        #expect(report.reason?.contains("/gone cannot be looked at (No such file or directory)") == true)
        #expect(report.reason?.contains("The file system of /full has less than 51 MiB left.") == true)
    }

    @Test func `a folder that does not exist makes it degraded, without its name for those outside`() async throws {
        let report = try await HealthCheck.diskSpace(of: ["/nonexistent/folder"]).run()
        #expect(report.status == .degraded)
        #expect(report.reason?.contains("/nonexistent/folder") == true)
        #expect(report.summary == "How much disk space is left is not known.")
        #expect(report.details.map(\.value) == [.null, .null, .null, .null])
    }

    @Test func `a file system without room of its own says so`() {
        let results = DiskSpaceReader(folders: ["/proc"]).read()
        #expect(results == [.failure(.unmeasured("/proc"))])
    }

    @Test func `while a file system does not answer, it is named and not asked again`() async throws {
        let started = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        let looks = Mutex(0)
        let check = self.check(["/data", "/mnt/dead"]) { folder throws(DiskSpaceError) in
            if folder == "/mnt/dead" {
                looks.withLock { $0 += 1 }
                started.signal()
                gate.wait()
            }
            return (UInt64(folder.utf8.count), self.space(folder, self.room(1, of: 2)))
        }
        let hanging = Task { try await check.run() }
        await withCheckedContinuation { continuation in
            OwnThread.start("test-wait") {
                started.wait()
                continuation.resume()
            }
        }
        for _ in 0..<10 {
            let report = try await check.run()
            #expect(report.status == .degraded)
            #expect(report.reason?.contains("of /mnt/dead has not answered") == true)
        }
        #expect(looks.withLock { $0 } == 1)
        gate.signal()
        #expect(try await hanging.value.status == .healthy)
        gate.signal()
        #expect(try await check.run().status == .healthy)
    }

    // MARK: The real machine

    @Test func `this machine's numbers are those of df`() async throws {
        let folder = FileManager.default.temporaryDirectory.path
        let space = try DiskSpaceReader.look(at: folder).space
        let df = Process()
        df.executableURL = URL(filePath: "/bin/df")
        df.arguments = ["--output=pcent,ipcent", folder]
        let output = Pipe()
        df.standardOutput = output
        try df.run()
        df.waitUntilExit()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let numbers = text.split { !$0.isNumber }.compactMap { Int($0) }
        let bytes = try #require(numbers.first)
        // df rounds up, and others write meanwhile.
        #expect((bytes - 2...bytes + 1).contains(space.bytes.percentage))
    }

    @Test func `a small file system is well while it is empty, and unhealthy when it is full`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "disk-space-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        guard await TemporaryMount.isPermitted(in: folder) else { return }
        let mount = try await TemporaryMount(at: folder, kilobytes: 4096)
        let check = HealthCheck.diskSpace(of: [folder.path])
        let empty = try await check.run()
        try mount.fill()
        let full = try await check.run()
        try await mount.unmount()

        #expect(empty.status == .healthy)
        #expect(empty.details.map(\.value).starts(with: [.integer(0), .integer(4), .integer(0)]))
        #expect(full.status == .unhealthy)
        #expect(full.details.map(\.value).starts(with: [.integer(4), .integer(4), .integer(100)]))
        #expect(full.reason == "The file system of \(folder.path) has less than 204 KiB left.")
    }
}
