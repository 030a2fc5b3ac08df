// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The body of one request, ready to be sent.
struct OTLPBody: Sendable, Equatable {
    let signal: OTLPSignal
    let form: OTLPProtocol
    let isCompressed: Bool
    /// How many spans, log records or points of metrics it holds.
    let count: Int
    let bytes: [UInt8]
}
