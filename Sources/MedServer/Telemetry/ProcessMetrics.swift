// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTelemetry

/// What the system knows of the process, by the names of Prometheus' client guidelines ("Process metrics"). What cannot be read keeps its last
/// value.
struct ProcessMetrics: Sendable {
    private let cpu: Counter
    private let resident: Gauge
    private let virtual: Gauge
    private let open: Gauge
    private let maximum: Gauge
    private let start: Gauge
    private let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    private let pageSize = Double(sysconf(Int32(_SC_PAGESIZE)))

    init(_ registry: MetricRegistry) throws(MetricError) {
        self.cpu = try registry.counter("process_cpu_seconds", help: "Processor time, user and system.").with()
        self.resident = try registry.gauge("process_resident_memory_bytes", help: "Memory that is in RAM.").with()
        self.virtual = try registry.gauge("process_virtual_memory_bytes", help: "Memory that is mapped.").with()
        self.open = try registry.gauge("process_open_fds", help: "File descriptors that are open.").with()
        self.maximum = try registry.gauge("process_max_fds", help: "How many file descriptors may be open.").with()
        self.start = try registry.gauge(
            "process_start_time_seconds", help: "When the process began, in seconds since 1970."
        ).with()
    }

    func read() {
        // proc(5): what follows the name, which may hold anything but ends with the last parenthesis.
        if let text = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8), let end = text.lastIndex(of: ")")
        {
            let fields = text[text.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
            if fields.count > 21 {
                self.cpu.raise(to: (fields[11] + fields[12]) / self.ticks)
                self.virtual.set(fields[20])
                self.resident.set(fields[21] * self.pageSize)
                if let boot = Self.bootTime { self.start.set(boot + fields[19] / self.ticks) }
            }
        }
        if let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            // One of them was open for the look.
            self.open.set(Double(names.count - 1))
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            self.maximum.set(Double(limit.rlim_cur))
        }
    }

    private static let bootTime: Double? = {
        let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }()
}
