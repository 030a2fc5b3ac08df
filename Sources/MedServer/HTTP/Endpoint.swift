// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedRuntime

/// What is answered on a port.
struct Endpoint: Sendable {
    enum Kind: Sendable {
        /// The port for everybody.
        case main
        /// The port for orchestrators, monitoring and people on call: probes alone. It is drained last.
        case management
    }

    let kind: Kind
    /// Whether the server has a port for management, which then alone shows how the server is.
    let hasManagement: Bool

    /// Whether this port shows how the server is, and not only whether.
    var showsDetails: Bool { self.kind == .management || !self.hasManagement }

    /// Whether this port answers a probe; where it does not, there is no such path.
    func answers(_ probe: ProbeRequest.Probe) -> Bool {
        !probe.isDetailed || self.showsDetails
    }
}

extension ProbeRequest.Probe {
    /// The route's pattern, as in metrics.
    var pattern: String {
        switch self {
        case .live: "/live"
        case .ready: "/ready"
        case .health(group: nil): "/health"
        case .health: "/health/{group}"
        case .status: "/status"
        }
    }

    /// Whether it says more than yes or no.
    var isDetailed: Bool {
        switch self {
        case .live, .ready: false
        case .health, .status: true
        }
    }
}
