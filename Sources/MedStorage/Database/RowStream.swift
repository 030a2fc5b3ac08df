// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The rows of a result, one after the other, of which no more than a batch is in memory.
///
/// ```swift
/// try await transaction.stream("SELECT id FROM notes") { rows in
///     while let row = try await rows.next() { … }
/// }
/// ```
public struct RowStream {
    private let nextBatch: () async throws -> [Row]
    private var batch: ArraySlice<Row> = []
    private var isOver = false

    /// Rows as a driver reads them.
    ///
    /// - Parameter nextBatch: gives the next rows; none at the end.
    public init(nextBatch: @escaping () async throws -> [Row]) { self.nextBatch = nextBatch }

    /// The next row, or nil at the end.
    public mutating func next() async throws -> Row? {
        if self.batch.isEmpty, !self.isOver {
            self.batch = try await self.nextBatch()[...]
            self.isOver = self.batch.isEmpty
        }
        return self.batch.popFirst()
    }
}
