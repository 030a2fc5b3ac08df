// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Which library has made something (`InstrumentationScope`).
public struct OTLPScope: Sendable, Equatable {
    public var name: String
    public var version: String

    /// A library.
    public init(name: String, version: String = "") {
        self.name = name
        self.version = version
    }
}
