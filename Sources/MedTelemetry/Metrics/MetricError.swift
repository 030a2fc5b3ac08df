// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a metric cannot be registered. Names of metrics and labels are those of the program, so the sentence may show
/// them.
public struct MetricError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Hashable, Sendable {
        private enum Value { case invalidName, invalidLabel, differentMetric, nameCollision, tooManyMetrics }
        private let value: Value

        /// The name is empty, too long, or has control characters.
        public static let invalidName = Code(value: .invalidName)
        /// The name of a label is reserved, empty or there twice.
        public static let invalidLabel = Code(value: .invalidLabel)
        /// There is a metric of that name, of another type, or with other labels, buckets or help.
        public static let differentMetric = Code(value: .differentMetric)
        /// Another metric would have the same name on the page.
        public static let nameCollision = Code(value: .nameCollision)
        /// There are as many metrics as the registry may have.
        public static let tooManyMetrics = Code(value: .tooManyMetrics)
    }

    /// Branch on this.
    public let code: Code
    /// Log this.
    public let description: String
}
