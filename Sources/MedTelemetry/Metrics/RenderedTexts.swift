// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What comes before the numbers of a series on a page, or before the series of a metric, made once for each form of
/// the page.
final class RenderedTexts: Sendable {
    /// Some texts, one after the other.
    final class Texts: Sendable {
        let bytes: [UInt8]
        /// Where each ends.
        let ends: [Int]

        init(_ texts: [[UInt8]]) {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(texts.reduce(0) { $0 + $1.count })
            self.ends = texts.map { text in
                bytes.append(contentsOf: text)
                return bytes.count
            }
            self.bytes = bytes
        }

        @inline(__always)
        func append(_ index: Int, to page: inout [UInt8]) {
            page.append(contentsOf: self.bytes[(index == 0 ? 0 : self.ends[index - 1])..<self.ends[index]])
        }
    }

    /// A form of the page, as far as names look different in it.
    enum Form: Int, CaseIterable {
        case text, textUTF8, openMetrics, openMetricsUTF8, protobuf, protobufUTF8

        init(_ format: MetricFormat) {
            let isUTF8 = format.escaping == .allowUTF8
            self =
                switch format.kind {
                case .text: isUTF8 ? .textUTF8 : .text
                case .openMetrics: isUTF8 ? .openMetricsUTF8 : .openMetrics
                case .protobuf: isUTF8 ? .protobufUTF8 : .protobuf
                }
        }
    }

    /// Most processes are asked for one form alone, so there is no array for all.
    private let texts = Mutex<[(form: Form, texts: Texts)]>([])

    /// The texts of a form, made by `make` the first time.
    func texts(_ form: Form, _ make: () -> [[UInt8]]) -> Texts {
        self.texts.withLock { known in
            for known in known where known.form == form { return known.texts }
            let made = Texts(make())
            known.append((form, made))
            return made
        }
    }
}
