// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What one request carries: items of one process, made by one library.
struct OTLPRequest<Item: Sendable>: Sendable {
    var resource: [OTLPAttribute]
    var scope: OTLPScope
    var items: [Item]
}
