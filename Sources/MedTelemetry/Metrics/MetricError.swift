// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a metric cannot be registered. Names of metrics and labels are those of the program, so the sentence may show them.
public struct MetricError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case invalidName, invalidLabel, differentMetric, nameCollision }
        private let value: Value

        /// The name is empty or not text.
        public static let invalidName = Code(value: .invalidName)
        /// The name of a label is reserved, empty or there twice.
        public static let invalidLabel = Code(value: .invalidLabel)
        /// There is a metric of that name, of another type, with other labels, or with other buckets.
        public static let differentMetric = Code(value: .differentMetric)
        /// Another metric would have the same name on the page.
        public static let nameCollision = Code(value: .nameCollision)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String
}
