// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The three probes, which the connection answers on its event loop: they work however busy the application is.
enum ProbeRoute {
    case live
    case ready
    case health

    /// Whether it says more than yes or no.
    var isDetailed: Bool { self == .health }

    /// The probe that a request target names, query or not, as a path or as a whole URL (RFC 9112 §3.2.2).
    init?(target: String) {
        var path = target.utf8[...]
        if path.first != UInt8(ascii: "/") {
            guard let scheme = target.range(of: "://"),
                let slash = target.utf8[scheme.upperBound...].firstIndex(of: UInt8(ascii: "/"))
            else { return nil }
            path = target.utf8[slash...]
        }
        path = path.prefix { $0 != UInt8(ascii: "?") }
        // Most targets are not probes: decide on the length before anything is compared.
        switch path.count {
        case 5 where path.elementsEqual("/live".utf8): self = .live
        case 6 where path.elementsEqual("/ready".utf8): self = .ready
        case 7 where path.elementsEqual("/health".utf8): self = .health
        default: return nil
        }
    }
}
