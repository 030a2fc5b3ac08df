// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The memory limit of the control group that this process is in, and how much of it is in use.
///
/// Usage is the working set, as Kubernetes computes it: what the kernel would drop first, the file cache that nobody
/// has used for a while, does not count.
struct CgroupMemory {
    let files: MemoryFiles
    /// A limit above it limits nothing. Nil if it is not known.
    let machineBytes: UInt64?

    /// What version 2 says; `nil` if it knows no limit.
    ///
    /// The smallest limit from the process's group up to the root is in force. A group's limit is for everything in it,
    /// so usage is then that of the group that has it; of two with the same limit the outer one fills first.
    func version2() throws(MemoryFileError) -> MemoryUsage? {
        guard let path = try self.path(where: { $0.isEmpty }) else { return nil }
        var tightest: (folder: String, limit: UInt64)?
        for folder in self.folders(below: "sys/fs/cgroup", path: path) {
            guard let limit = try self.limit(folder + "/memory.max") else { continue }
            if limit <= tightest?.limit ?? .max { tightest = (folder, limit) }
        }
        guard let (folder, limit) = tightest else { return nil }
        return try self.usage(
            current: folder + "/memory.current", stat: folder + "/memory.stat", inactiveFile: "inactive_file",
            limit: limit
        )
    }

    /// What version 1 says; `nil` if it knows no limit, or if the system has version 2 only.
    ///
    /// Whether the limits of outer groups count depends on how the machine is set up; the kernel says what results as
    /// `hierarchical_memory_limit`, also where the outer group itself cannot be seen from inside a container.
    func version1() throws(MemoryFileError) -> MemoryUsage? {
        guard let path = try self.path(where: { $0.split(separator: ",").contains("memory") }) else { return nil }
        let folders = self.folders(below: "sys/fs/cgroup/memory", path: path)
        let own = folders[0]
        let inherited = try self.files.field("hierarchical_memory_limit", of: own + "/memory.stat")
        let limits = [try self.limit(own + "/memory.limit_in_bytes"), inherited.flatMap(self.effective)]
        guard let limit = limits.compactMap(\.self).min() else { return nil }

        var limiting = own
        for folder in folders.dropFirst() where try self.limit(folder + "/memory.limit_in_bytes") == limit {
            limiting = folder
        }
        return try self.usage(
            current: limiting + "/memory.usage_in_bytes", stat: limiting + "/memory.stat",
            inactiveFile: "total_inactive_file", limit: limit
        )
    }

    /// The process's group in the hierarchy with the controllers that the closure wants.
    ///
    /// A line of the file is `4:memory:/path` for version 1 and `0::/path` for version 2.
    private func path(where matches: (Substring) -> Bool) throws(MemoryFileError) -> Substring? {
        for line in try self.files.text("proc/self/cgroup")?.split(separator: "\n") ?? [] {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count == 3, parts[2].hasPrefix("/"), matches(parts[1]) { return parts[2] }
        }
        return nil
    }

    /// The group's folder, its parent's and so on up to the mount.
    ///
    /// Inside a container the mount often *is* the group, while the path is the host's or leads out of the namespace
    /// (`/../..`); only the mount is left then.
    private func folders(below mount: String, path: Substring) -> [String] {
        let names = path.split(separator: "/")
        guard !names.contains(".."), self.files.hasFolder(mount + path) else { return [mount] }
        var folders = [mount]
        for name in names { folders.append(folders[folders.count - 1] + "/" + name) }
        return folders.reversed()
    }

    private func limit(_ path: String) throws(MemoryFileError) -> UInt64? {
        try self.files.number(path).flatMap(self.effective)
    }

    /// A limit, or `nil` if it is none: version 1 writes "no limit" as the largest number of whole pages, and nothing
    /// above what the machine has limits anything.
    private func effective(_ limit: UInt64) -> UInt64? {
        limit <= min(self.machineBytes ?? .max, 0x7FFF_FFFF_FFFF_EFFF) ? limit : nil
    }

    private func usage(
        current: String, stat: String, inactiveFile: String, limit: UInt64
    ) throws(MemoryFileError) -> MemoryUsage {
        guard limit > 0 else {
            throw MemoryFileError(path: current, problem: "has a limit of 0")
        }
        guard let used = try self.files.number(current) else {
            throw MemoryFileError(path: current, problem: "is missing")
        }
        guard let inactive = try self.files.field(inactiveFile, of: stat) else {
            throw MemoryFileError(path: stat, problem: "has no line '\(inactiveFile)'")
        }
        // The two are read one after the other, so the second can be larger.
        return MemoryUsage(usedBytes: used - min(used, inactive), totalBytes: limit)
    }
}
