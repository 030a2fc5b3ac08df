// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedRuntime
import Testing

/// Each tree below Fixtures/memory holds the files of `/proc` and `/sys/fs/cgroup` that one set-up shows.
///
/// `hybrid-limitless` is a recording. The others have its format, or for version 2 that of the kernel's documentation,
/// and numbers that tell them apart: the process has 25,600 resident pages (100 MiB), the machine 16,384,256 KiB.
@Suite struct MemoryUsageTests {
    /// The answer when no cgroup has a limit.
    static let process = MemoryUsage(usedBytes: 100 << 20, totalBytes: 16_384_256 << 10)

    private func read(_ tree: String, pageSize: Int = 4096) throws -> MemoryUsage {
        let fixtures = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/memory")
        let root = fixtures.appending(path: tree).path(percentEncoded: false)
        try #require(FileManager.default.fileExists(atPath: root))
        return try MemoryUsageReader(root: root, pageSize: pageSize).read()
    }

    private func usage(_ usedMiB: UInt64, of totalMiB: UInt64) -> MemoryUsage {
        MemoryUsage(usedBytes: usedMiB << 20, totalBytes: totalMiB << 20)
    }

    // MARK: The values

    @Test func `MiB and percentage are whole numbers, rounded from the bytes`() {
        let usage = MemoryUsage(usedBytes: 390_907_494, totalBytes: 532_152_320)
        #expect(usage.usedMiB == 373)
        #expect(usage.totalMiB == 508)
        #expect(usage.percentage == 73)
    }

    @Test(arguments: [(0, 0), (4, 0), (5, 1), (14, 1), (15, 2), (904, 90), (905, 91), (1000, 100), (1013, 101)])
    func `half a percent rounds up`(permille: UInt64, percentage: Int) {
        #expect(MemoryUsage(usedBytes: permille, totalBytes: 1000).percentage == percentage)
    }

    @Test func `no byte values overflow`() {
        let usage = MemoryUsage(usedBytes: .max, totalBytes: 1)
        #expect(usage.percentage == .max)
        #expect(usage.usedMiB == 1 << 44)
    }

    // MARK: cgroup version 2

    @Test func `with version 2 it is the working set of the limit`() throws {
        #expect(try self.read("v2-limit") == self.usage(400 - 27, of: 512))
    }

    @Test func `a limit that only the parent has counts, with the parent's usage`() throws {
        #expect(try self.read("v2-parent-limit") == self.usage(900 - 100, of: 1024))
    }

    @Test func `of two equal limits the outer one counts`() throws {
        #expect(try self.read("v2-equal-limits") == self.usage(900 - 100, of: 1024))
    }

    @Test(arguments: ["v2-max", "v2-above-machine"])
    func `where version 2 has no limit, or one above the machine's memory, it is the process`(tree: String) throws {
        #expect(try self.read(tree) == Self.process)
    }

    @Test(arguments: ["v2-docker", "v2-docker-outside-namespace", "v2-docker-host-path"])
    func `in a container whose path leads nowhere, the mount is the group`(tree: String) throws {
        #expect(try self.read(tree) == self.usage(100 - 36, of: 512))
    }

    @Test func `more inactive cache than usage is no usage`() throws {
        #expect(try self.read("inactive-above-usage") == self.usage(0, of: 512))
    }

    // MARK: cgroup version 1

    @Test(arguments: ["v1-limit", "v1-outside-namespace", "v1-shared-controllers"])
    func `with version 1 it is the working set of the limit`(tree: String) throws {
        #expect(try self.read(tree) == self.usage(200 - 72, of: 256))
    }

    @Test func `the largest number of whole pages is no limit`() throws {
        #expect(try self.read("v1-limitless") == Self.process)
    }

    @Test func `a limit outside the container counts, with the usage that can be seen`() throws {
        #expect(try self.read("v1-outer-limit") == self.usage(200 - 72, of: 1024))
    }

    @Test func `a limit of a parent that can be seen counts, with the parent's usage`() throws {
        #expect(try self.read("v1-parent-limit") == self.usage(900 - 100, of: 1024))
    }

    // MARK: Both, and neither

    @Test func `with both versions mounted, the one with the memory controller is read`() throws {
        #expect(try self.read("hybrid") == self.usage(200 - 72, of: 256))
    }

    @Test func `a recorded machine with both versions and no limit is read as it was`() throws {
        #expect(try self.read("hybrid-limitless") == MemoryUsage(usedBytes: 3405 * 4096, totalBytes: 24_684_084 << 10))
    }

    @Test func `without cgroups it is the resident set of the machine's memory`() throws {
        let usage = try self.read("proc")
        #expect(usage == Self.process)
        #expect((usage.usedMiB, usage.totalMiB, usage.percentage) == (100, 16_000, 1))
    }

    @Test func `a page is as large as the machine says`() throws {
        #expect(try self.read("proc-large-pages", pageSize: 65_536) == Self.process)
    }

    @Test(arguments: [
        "garbage-v2", "garbage-v2-usage", "garbage-v2-stat", "garbage-v2-zero", "garbage-v1", "garbage-cgroup-file",
    ])
    func `a file that makes no sense leaves the next source`(tree: String) throws {
        #expect(try self.read(tree) == Self.process)
    }

    @Test func `nonsense in version 2 leaves version 1`() throws {
        #expect(try self.read("garbage-v2-good-v1") == self.usage(200 - 72, of: 256))
    }

    @Test func `nonsense everywhere is an error that names the files`() {
        let error = #expect(throws: MemoryUsageError.self) { try self.read("garbage") }
        #expect(error?.code == .unavailable)
        #expect(error?.description.contains("/sys/fs/cgroup/memory.current is not a number") == true)
        #expect(error?.description.contains("/proc/self/statm does not say") == true)
    }

    @Test func `nothing at all is an error`() {
        let error = #expect(throws: MemoryUsageError.self) { try MemoryUsageReader(root: "/nonexistent").read() }
        #expect(error?.code == .unavailable)
    }

    // MARK: The real machine

    @Test func `this machine has memory and uses some of it`() throws {
        let usage = try MemoryUsageReader().read()
        #expect(usage.totalMiB > 0)
        #expect(usage.usedMiB > 0)
        #expect((0...100).contains(usage.percentage))
    }
}
