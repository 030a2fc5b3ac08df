// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A name and its value (`KeyValue` of OTLP). In a list of them every name should be there once.
public struct OTLPAttribute: Sendable, Hashable {
    /// The name, by the semantic conventions of OpenTelemetry where they have one.
    public var key: String
    /// The value.
    public var value: OTLPValue

    /// An attribute.
    public init(_ key: String, _ value: OTLPValue) {
        self.key = key
        self.value = value
    }

    /// About how many bytes of memory it takes.
    var size: Int { 16 + self.key.utf8.count + self.value.size }
}

extension OTLPAttribute {
    /// The attributes of the conventions that are numbers, of those that come to us as texts.
    private static let numbers: Set<String> = [
        "event.duration", "http.request.body.bytes", "http.response.body.bytes", "http.response.status_code",
    ]

    /// A label of a metric or a field of the log, with the type that the conventions give to its name.
    init(conventional key: String, _ text: String) {
        self.init(key, Self.numbers.contains(key) ? Int64(text).map { .int($0) } ?? .string(text) : .string(text))
    }
}
