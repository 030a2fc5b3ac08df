// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import MedTelemetry
import NIOCore
import NIOHTTP1
import Synchronization

/// Pages of metrics, written one after the other on a thread of their own: ten thousand series take milliseconds, which an event loop does not
/// have, and which need not wait for the task pool.
final class MetricsPages: Sendable {
    /// What a request for a page asks for.
    struct Question: Sendable {
        var format: MetricFormat
        var isCompressed: Bool

        init(_ headers: HTTPHeaders) {
            self.format = .negotiate(accept: headers["accept"])
            self.isCompressed = Self.takesGzip(headers["accept-encoding"])
        }

        /// RFC 9110 §12.5.3: named, and not with a quality of zero.
        static func takesGzip(_ values: [String]) -> Bool {
            values.flatMap { $0.split(separator: ",") }.contains { coding in
                let parts = coding.lowercased().filter { $0 != " " && $0 != "\t" }.split(separator: ";")
                guard let name = parts.first, name == "gzip" || name == "x-gzip" else { return false }
                return !parts.dropFirst().contains { ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains($0) }
            }
        }
    }

    private let registry: MetricRegistry
    private let queue = DispatchQueue(label: "metrics")
    private let pending = Atomic<Int>(0)

    init(_ registry: MetricRegistry) { self.registry = registry }

    /// Whether a page that was asked for is not handed over.
    var isWriting: Bool { self.pending.load(ordering: .acquiring) > 0 }

    /// Writes a page and hands it to `send`, on the thread of the pages.
    func write(_ question: Question, send: @escaping @Sendable (HTTPHeaders, ByteBuffer) -> Void) {
        self.pending.add(1, ordering: .relaxed)
        self.queue.async {
            defer { self.pending.subtract(1, ordering: .releasing) }
            let page = self.registry.page(question.format)
            var headers: HTTPHeaders = [
                "Content-Type": question.format.contentType, "Cache-Control": "no-store",
                "Vary": "Accept, Accept-Encoding",
            ]
            if question.isCompressed { headers.add(name: "Content-Encoding", value: "gzip") }
            send(headers, ByteBuffer(bytes: question.isCompressed ? Gzip.compress(page) : page))
        }
    }
}
