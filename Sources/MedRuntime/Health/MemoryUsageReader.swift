// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Reads how much memory is in use, from the kernel: cgroup version 2, cgroup version 1, `/proc`, in that order.
///
/// The first that knows a limit, or at last the machine's memory, is the answer. A file that cannot be understood is a
/// reason to go on to the next source.
///
/// ```swift
/// let usage = try MemoryUsageReader().read()
/// print("\(usage.usedMiB) of \(usage.totalMiB) MiB")
/// ```
public struct MemoryUsageReader: Sendable {
    private let files: MemoryFiles
    private let pageSize: Int

    /// A reader of the kernel's files below a root folder, which is another one than `/` in tests only.
    public init(root: String = "/") {
        self.init(root: root, pageSize: sysconf(CInt(_SC_PAGESIZE)))
    }

    /// A reader of a tree that was recorded on a machine with the given page size.
    package init(root: String, pageSize: Int) {
        self.files = MemoryFiles(root: root)
        self.pageSize = pageSize
    }

    /// The usage at this moment.
    ///
    /// It opens about ten small files that the kernel answers from memory: fast enough for any thread or task.
    public func read() throws(MemoryUsageError) -> MemoryUsage {
        let cgroup = CgroupMemory(files: self.files, machineBytes: try? self.files.machineBytes())
        var problems: [MemoryFileError] = []
        do {
            if let usage = try cgroup.version2() { return usage }
        } catch {
            problems.append(error)
        }
        do {
            if let usage = try cgroup.version1() { return usage }
        } catch {
            problems.append(error)
        }
        do {
            return try self.process()
        } catch {
            problems.append(error)
        }
        throw .unavailable(problems)
    }

    /// The resident set of this process, of the machine's memory.
    private func process() throws(MemoryFileError) -> MemoryUsage {
        let path = "proc/self/statm"
        // In pages: size, resident, shared, …
        let words = try self.files.text(path)?.split(whereSeparator: \.isWhitespace) ?? []
        guard words.count > 1, let pages = UInt64(words[1]), let pageSize = UInt64(exactly: self.pageSize),
            case (let bytes, false) = pages.multipliedReportingOverflow(by: pageSize)
        else {
            throw MemoryFileError(path: path, problem: "does not say how much memory this process uses")
        }
        return MemoryUsage(usedBytes: bytes, totalBytes: try self.files.machineBytes())
    }
}
