// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension HealthCheck {
    /// Whether file descriptors are left: without one nothing is accepted and nothing is opened. Above 80 % of the soft
    /// limit it is degraded, above 95 % unhealthy.
    public static func fileDescriptors(interval: Duration = .seconds(10)) -> HealthCheck {
        .fileDescriptors(reader: FileDescriptorReader(), interval: interval)
    }

    static func fileDescriptors(reader: FileDescriptorReader, interval: Duration = .seconds(10)) -> HealthCheck {
        let question = BlockingQuestion(threadName: "descriptors") {
            Result { () throws(FileDescriptorError) in try reader.read() }
        }
        return HealthCheck(
            "fileDescriptors",
            interval: interval,
            observes: Observation(measurement: "utilization", unit: "percent", detail: "percentage"),
            componentType: "system",
            detailsArePublic: true,
            initial: HealthReport(status: .healthy, details: HealthReport.descriptorDetails(nil)),
            unanswered: HealthReport(.failure(.unanswered))
        ) {
            HealthReport(await question.ask() ?? .failure(.unanswered))
        }
    }
}

extension HealthReport {
    fileprivate static func descriptorDetails(_ usage: FileDescriptorUsage?) -> [(name: String, value: Value)] {
        [
            ("used", usage.map { .integer(Int(clamping: $0.open)) } ?? .null),
            ("total", usage.map { .integer(Int(clamping: $0.limit)) } ?? .null),
            ("percentage", usage.map { .integer($0.percentage) } ?? .null),
        ]
    }

    fileprivate init(_ result: Result<FileDescriptorUsage, FileDescriptorError>) {
        switch result {
        case .success(let usage):
            let status: HealthStatus =
                switch usage.percentage {
                case ...80: .healthy
                case ...95: .degraded
                default: .unhealthy
                }
            let share = "More than \(status == .degraded ? 80 : 95) %"
            self.init(
                status: status,
                details: Self.descriptorDetails(usage),
                // Without how many are open: a reason that changes is logged anew.
                reason: status == .healthy
                    ? nil
                    : "\(share) of the \(usage.limit) file descriptors are open. "
                        + "Raise the soft limit (ulimit -n), or look for what does not close its own.",
                summary: status == .healthy ? nil : "\(share) of the file descriptors are open."
            )
        case .failure(let error):
            self.init(
                status: .degraded,
                details: Self.descriptorDetails(nil),
                reason: error.description,
                summary: "How many file descriptors are open is not known."
            )
        }
    }
}
