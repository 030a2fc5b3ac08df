// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A port that cannot be opened.
public struct PortError: Error, CustomStringConvertible {
    /// The port.
    public let port: Int
    /// The address.
    public let host: String
    /// The system's error.
    public let cause: any Error

    /// A sentence for the operator.
    public var description: String { "Port \(self.port) of \(self.host) cannot be opened" }
}
