// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import Testing

@testable import MedTelemetry

/// The field numbers are those of prometheus/client_model, `metrics.proto`.
@Suite struct ProtobufPageTests {
    /// A message as its fields, in order.
    private struct Message {
        enum Field: Equatable {
            case number(UInt64)
            case bytes([UInt8])
        }

        var fields: [(number: Int, field: Field)] = []

        /// Nil if the bytes are no message.
        init?(_ bytes: ArraySlice<UInt8>) {
            var rest = bytes
            while !rest.isEmpty {
                guard let key = Self.varint(&rest) else { return nil }
                switch key & 7 {
                case 0:
                    guard let number = Self.varint(&rest) else { return nil }
                    self.fields.append((Int(key >> 3), .number(number)))
                case 1:
                    guard rest.count >= 8 else { return nil }
                    let number = rest.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
                    rest = rest.dropFirst(8)
                    self.fields.append((Int(key >> 3), .number(number)))
                case 2:
                    guard let count = Self.varint(&rest), count <= rest.count else { return nil }
                    self.fields.append((Int(key >> 3), .bytes(Array(rest.prefix(Int(count))))))
                    rest = rest.dropFirst(Int(count))
                default: return nil
                }
            }
        }

        static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
            var (number, shift): (UInt64, UInt64) = (0, 0)
            while let byte = rest.popFirst() {
                number |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return number }
                shift += 7
                if shift > 63 { return nil }
            }
            return nil
        }

        static func page(_ bytes: [UInt8]) -> [Message]? {
            var (rest, messages): (ArraySlice<UInt8>, [Message]) = (bytes[...], [])
            while !rest.isEmpty {
                guard let count = self.varint(&rest), count <= rest.count,
                    let message = Message(rest.prefix(Int(count)))
                else { return nil }
                messages.append(message)
                rest = rest.dropFirst(Int(count))
            }
            return messages
        }

        func numbers(_ number: Int) -> [UInt64] {
            self.fields.compactMap { if case .number(let value) = $0.field, $0.number == number { value } else { nil } }
        }

        func number(_ number: Int) -> UInt64? { self.numbers(number).last }
        func double(_ number: Int) -> Double? { self.number(number).map { Double(bitPattern: $0) } }
        func signed(_ number: Int) -> [Int64] {
            self.numbers(number).map { Int64(bitPattern: $0 >> 1) ^ -Int64(bitPattern: $0 & 1) }
        }

        func messages(_ number: Int) -> [Message] {
            self.fields.compactMap {
                if case .bytes(let bytes) = $0.field, $0.number == number { Message(bytes[...]) } else { nil }
            }
        }

        func text(_ number: Int) -> String? {
            self.fields.lazy.compactMap { field -> String? in
                guard case .bytes(let bytes) = field.field, field.number == number else { return nil }
                return String(validating: bytes, as: UTF8.self)
            }.first
        }

        var labels: [String] { self.messages(1).map { "\($0.text(1) ?? "")=\($0.text(2) ?? "")" } }
    }

    private func families(_ registry: MetricRegistry, _ format: MetricFormat = .protobuf) throws -> [Message] {
        try #require(Message.page(registry.page(format)))
    }

    @Test func `counters and gauges are what they are`() throws {
        let registry = MetricRegistry(showsCreated: true) { 1_700_000_000_250 }
        try registry.counter("requests", help: "Answered.", labels: ["l"]).with("\"\n😀").increment(by: 300)
        try registry.gauge("memory_usage_bytes", help: "").with().set(-0.5)
        let families = try self.families(registry)
        #expect(families.map { $0.text(1) } == ["memory_usage_bytes", "requests_total"])
        #expect(families.map { $0.text(2) } == ["", "Answered."])
        #expect(families.map { $0.number(3) } == [1, 0])
        #expect(families.map { $0.text(5) } == ["bytes", nil])
        #expect(families[0].messages(4).first?.messages(2).first?.double(1) == -0.5)
        let metric = try #require(families[1].messages(4).first)
        #expect(metric.labels == ["l=\"\n😀"])
        let counter = try #require(metric.messages(3).first)
        #expect(counter.double(1) == 300)
        #expect(counter.messages(3).first?.number(1) == 1_700_000_000)
        #expect(counter.messages(3).first?.number(2) == 250_000_000)
    }

    @Test func `a native histogram has the buckets of its schema beside the others, and one count`() throws {
        let registry = MetricRegistry()
        let histogram = try registry.histogram(
            "h", help: "h", buckets: HistogramBuckets(bounds: [1, 10], hasNative: true)
        ).with()
        let (trace, span) = (String(repeating: "ab", count: 16), String(repeating: "cd", count: 8))
        for value in [0, 1, 1.05, 2, 100, 0.9] {
            histogram.observe(value, exemplar: value == 2 ? Exemplar(traceID: trace, spanID: span, time: 5) : nil)
        }
        let family = try #require(try self.families(registry).first)
        #expect(family.number(3) == 4)
        let message = try #require(family.messages(4).first?.messages(7).first)
        #expect(message.number(1) == 6 && message.double(2) == 104.95)
        #expect(message.messages(3).map { $0.number(1) } == [3, 5, 6])
        #expect(message.messages(3).map { $0.double(2) } == [1, 10, .infinity])
        let exemplar = try #require(message.messages(3)[1].messages(3).first)
        #expect(exemplar.labels == ["trace_id=\(trace)", "span_id=\(span)"])
        #expect(exemplar.double(2) == 2 && exemplar.messages(3).first?.number(2) == 5_000_000)
        #expect(message.signed(5) == [3] && message.double(6) == 0x1p-30 && message.number(7) == 1)
        // One span: 0.9 is in the bucket below 1 of index -1, and 100 in the one of index 54.
        let spans = message.messages(12)
        #expect(spans.count == 1 && spans.first?.signed(1) == [-1] && spans.first?.number(2) == 56)
        var (counts, last): ([Int64], Int64) = ([], 0)
        for delta in message.signed(13) {
            last += delta
            counts.append(last)
        }
        #expect(counts.count == 56 && counts.reduce(0, +) == 5)
        #expect(counts[0] == 1 && counts[1] == 1 && counts[2] == 1 && counts[9] == 1 && counts[55] == 1)
    }

    @Test func `a histogram that has not been asked for native buckets has none, and an empty one says that it has`()
        throws
    {
        let registry = MetricRegistry()
        _ = try registry.histogram("a", help: "h", buckets: HistogramBuckets(bounds: [1]))
        _ = try registry.histogram("b", help: "h", buckets: HistogramBuckets(bounds: [1]).withNative)
        let messages = try self.families(registry).compactMap { $0.messages(4).first?.messages(7).first }
        #expect(messages.map { $0.number(5) } == [nil, 6])
        #expect(messages.map { $0.messages(12).count } == [0, 1])
        #expect(messages.map { $0.number(1) } == [0, 0])
    }

    @Test func `names are underscored unless the scraper takes UTF-8`() throws {
        let registry = MetricRegistry()
        _ = try registry.gauge("größe", help: "h", labels: ["a.b"]).with("c")
        let plain = try self.families(registry)
        #expect(plain.first?.text(1) == "gr__e" && plain.first?.messages(4).first?.labels == ["a_b=c"])
        let utf8 = try self.families(
            registry,
            .negotiate(
                accept: "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
                    + "escaping=allow-utf-8"))
        #expect(utf8.first?.text(1) == "größe" && utf8.first?.messages(4).first?.labels == ["a.b=c"])
    }

    @Test func `lengths of more than a byte are right`() throws {
        let registry = MetricRegistry(seriesLimit: 20_000)
        let gauge = try registry.gauge("g", help: "h", labels: ["l"])
        for number in 0..<10_000 {
            gauge.with(String(repeating: "x", count: number % 300) + "\(number)").set(Double(number))
        }
        let metrics = try #require(try self.families(registry).first).messages(4)
        #expect(metrics.count == 10_000)
        #expect(metrics.compactMap { $0.messages(2).first?.double(1) }.reduce(0, +) == 49_995_000)
    }

    @Test func `while eight threads observe, each page has one count in both kinds of buckets`() throws {
        let registry = MetricRegistry()
        let histogram = try registry.histogram(
            "h", help: "h", buckets: HistogramBuckets(bounds: [1, 10, 100], hasNative: true)
        ).with()
        let isDone = Atomic(false)
        let group = DispatchGroup()
        for _ in 0..<8 {
            DispatchQueue.global().async(group: group) {
                for number in 0..<20_000 { histogram.observe(Double(number & 255)) }
            }
        }
        group.notify(queue: .global()) { isDone.store(true, ordering: .releasing) }
        var last: [UInt64] = [0, 0, 0, 0]
        while true {
            let isLast = isDone.load(ordering: .acquiring)
            let message = try #require(try self.families(registry).first?.messages(4).first?.messages(7).first)
            let counts = message.messages(3).compactMap { $0.number(1) }
            var (native, count): (Int64, Int64) = (Int64(message.number(7) ?? 0), 0)
            for delta in message.signed(13) {
                count += delta
                native += count
            }
            #expect(message.number(1) == UInt64(native) && counts.last == UInt64(native) && counts == counts.sorted())
            #expect(zip(last, counts).allSatisfy { $0 <= $1 })
            last = counts
            if isLast { break }
        }
        #expect(last.last == 160_000)
    }
}
