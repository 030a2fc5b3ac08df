// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a request was not taken.
public enum OTLPFailure: Sendable, Equatable, CustomStringConvertible {
    /// The collector answered with this status of HTTP.
    case status(Int)
    /// No connection, or no whole answer in time.
    case noAnswer

    public var description: String {
        switch self {
        case .status(let status): "The collector answered with status \(status)."
        case .noAnswer: "The collector could not be reached, or did not answer in time."
        }
    }
}
