// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Instrumentation

/// Headers of a request, as a carrier.
struct Headers: Extractor, Injector, Sendable {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
}
