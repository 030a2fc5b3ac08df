// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What comes before the numbers of a series on a page, made once for each form of the page.
final class RenderedNames: Sendable {
    /// A form of the page, as far as names look different in it.
    struct Form: Hashable, Sendable {
        var isOpenMetrics: Bool
        var escaping: MetricName.Escaping
    }

    private let texts = Mutex<[Form: [[UInt8]]]>([:])

    /// The texts of a form, made by `make` the first time.
    func texts(_ form: Form, _ make: () -> [[UInt8]]) -> [[UInt8]] {
        self.texts.withLock { texts in
            if let known = texts[form] { return known }
            let made = make()
            texts[form] = made
            return made
        }
    }
}
