// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The answer to `?verbose`: one line a check and the verdict, in the words that Kubernetes' own health endpoints use, so
/// that people and scripts that know those can read ours.
///
///     [+]database ok
///     [-]mail failed: reason withheld
///     [+]memory excluded: ok
///     warn: some health checks cannot be excluded: no matches for "nmail"
///     health check passed
///
/// A check that is degraded has failed. The verdict is that of the status code: a check that the whole can do without
/// may have failed, and the verdict still be `passed`. Reasons are always withheld, as in Kubernetes.
struct VerboseText {
    static let contentType = "text/plain; charset=utf-8"

    private(set) var bytes: [UInt8] = []
    private var unmatched: Set<String>
    private let excluded: Set<String>

    /// - Parameter excluded: the names that the request excludes.
    init(excluding excluded: Set<String>) {
        self.excluded = excluded
        self.unmatched = excluded
    }

    /// Adds a line for a check.
    mutating func line(_ view: CheckView, among views: [CheckView]) {
        let name = view.check.name
        if self.excluded.contains(name) {
            self.unmatched.remove(name)
            self.append("[+]", name, " excluded: ok\n")
        } else if view.standing == .unknown, let cause = view.causes(among: views).first {
            self.append("[-]", name, " failed: unknown without ", cause, "\n")
        } else {
            self.line(name, isOK: view.outcome == .up)
        }
    }

    /// Adds a line for something that is no check, and so cannot be excluded.
    mutating func line(_ name: String, isOK: Bool) {
        self.append(isOK ? "[+]" : "[-]", name, isOK ? " ok\n" : " failed: reason withheld\n")
    }

    /// Adds the verdict, the last line.
    mutating func verdict(_ probe: String, passed: Bool) {
        if !self.unmatched.isEmpty {
            self.append("warn: some health checks cannot be excluded: no matches for ")
            for (index, name) in self.unmatched.sorted().enumerated() {
                self.append(index > 0 ? ",\"" : "\"", Self.escaped(name), "\"")
            }
            self.append("\n")
        }
        self.append(probe, passed ? " check passed\n" : " check failed\n")
    }

    private mutating func append(_ parts: String...) {
        for part in parts { self.bytes.append(contentsOf: part.utf8) }
    }

    /// A name that came with the request, so that it cannot make lines of its own.
    private static func escaped(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars { text += scalar.escaped(asASCII: true) }
        return text
    }
}

extension CheckView {
    /// The checks that it stands on and that are not up: why it is unknown.
    func causes(among views: [CheckView]) -> [String] {
        self.check.dependencies.filter { name in
            views.first { $0.check.name == name }?.outcome != .up
        }
    }
}
