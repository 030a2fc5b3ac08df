// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension HealthCheck {
    /// Whether the file systems that hold some folders have room left, for bytes and for files.
    ///
    /// It is degraded with less than a tenth or 1 GiB left, or with fewer than a tenth or 10,000 of the inodes; unhealthy
    /// with less than a twentieth or 64 MiB, or fewer than a twentieth or 1,000 inodes. The smaller of each two counts.
    ///
    /// The details are those of the file system that is worst off: `used` and `total` in MiB and `percentage` as `df` shows
    /// them to a user without privileges, and how many percent of its inodes are used, or `null` where it has no
    /// fixed number of them. A folder that cannot be looked at makes the server degraded.
    ///
    /// - Parameters:
    ///   - folders: those that the server writes to. Two on one file system count once.
    ///   - interval: how often it looks.
    public static func diskSpace(of folders: [String], interval: Duration = .seconds(30)) -> HealthCheck {
        .diskSpace(reader: DiskSpaceReader(folders: folders), interval: interval)
    }

    static func diskSpace(reader: DiskSpaceReader, interval: Duration = .seconds(30)) -> HealthCheck {
        let question = BlockingQuestion(threadName: "disk-space") { reader.read() }
        return HealthCheck(
            "diskSpace",
            interval: interval,
            observes: Observation(measurement: "utilization", unit: "percent", detail: "percentage"),
            componentType: "system",
            detailsArePublic: true,
            // Asking here could block the start-up.
            initial: HealthReport(status: .healthy, details: HealthReport.diskDetails(nil)),
            unanswered: HealthReport(
                status: .degraded,
                details: HealthReport.diskDetails(nil),
                reason: "A file system did not say in time how much room it has.",
                summary: HealthReport.diskUnknown
            )
        ) {
            HealthReport(await question.ask() ?? [.failure(.unanswered(reader.currentFolder))])
        }
    }
}

extension HealthReport {
    fileprivate static let diskUnknown = "How much disk space is left is not known."

    fileprivate static func diskDetails(_ space: DiskSpace?) -> [(name: String, value: Value)] {
        [
            ("used", space.map { .integer(Int($0.bytes.used >> 20)) } ?? .null),
            ("total", space.map { .integer(Int($0.bytes.total >> 20)) } ?? .null),
            ("percentage", space.map { .integer($0.bytes.percentage) } ?? .null),
            ("inodePercentage", space?.files.map { .integer($0.percentage) } ?? .null),
        ]
    }

    /// What the results mean: the worst of them.
    init(_ results: [Result<DiskSpace, DiskSpaceError>]) {
        var status = HealthStatus.healthy
        var worst: DiskSpace?
        var reasons: [String] = []
        var summary: String?
        for result in results {
            switch result {
            case .success(let space):
                if space.status > .healthy { reasons.append(space.reason) }
                if space.status > status { (status, summary) = (space.status, space.summary) }
                if worst.map({ (space.status, space.bytes.percentage) > ($0.status, $0.bytes.percentage) }) ?? true {
                    worst = space
                }
            case .failure(let error):
                reasons.append(error.description)
                if status < .degraded { (status, summary) = (.degraded, Self.diskUnknown) }
            }
        }
        self.init(
            status: status,
            details: Self.diskDetails(worst),
            reason: reasons.isEmpty ? nil : reasons.joined(separator: " "),
            summary: summary
        )
    }
}

extension DiskSpace {
    /// It names limits and not what is left at the moment: a reason that changes is logged anew.
    fileprivate var reason: String {
        var lacks: [String] = []
        if self.byteStatus > .healthy {
            let limit = self.byteStatus == .degraded ? self.byteLimits.degraded : self.byteLimits.unhealthy
            lacks.append("less than \(limit >= 10 << 20 ? "\(limit >> 20) MiB" : "\(limit >> 10) KiB")")
        }
        if self.fileStatus > .healthy {
            let limit = self.fileStatus == .degraded ? self.fileLimits.degraded : self.fileLimits.unhealthy
            lacks.append("fewer than \(limit) inodes")
        }
        return "The file system of \(self.folder) has \(lacks.joined(separator: " and ")) left."
    }

    fileprivate var summary: String {
        let what = self.byteStatus >= self.fileStatus ? "disk space" : "room for files"
        return self.status == .unhealthy ? "There is hardly any \(what) left." : "There is little \(what) left."
    }
}
