// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Writes items into bodies that are not too large.
struct OTLPBodies<Item: Sendable>: Sendable {
    /// Bytes of a body before it is compressed. New Relic takes no more.
    static var maximumSize: Int { 1_000_000 }

    let signal: OTLPSignal
    let message: OTLPMessage<OTLPRequest<Item>>
    let resource: [OTLPAttribute]
    let scope: OTLPScope
    let endpoint: OTLPEndpoint
    /// How much an item counts, and its parts if it can be taken apart.
    let weight: @Sendable (Item) -> Int
    let parts: @Sendable (Item) -> [Item]

    /// The bodies, and how much was too large for one.
    func make(_ items: [Item]) -> (bodies: [OTLPBody], dropped: Int) {
        guard let first = items.first else { return ([], 0) }
        let request = OTLPRequest(resource: self.resource, scope: self.scope, items: items)
        let bytes = self.message.encode(request, as: self.endpoint.form)
        guard bytes.count > Self.maximumSize else {
            let body = OTLPBody(
                signal: self.signal, form: self.endpoint.form, isCompressed: self.endpoint.isCompressed,
                count: items.reduce(0) { $0 + self.weight($1) },
                bytes: self.endpoint.isCompressed ? Gzip.compress(bytes) : bytes)
            return ([body], 0)
        }
        let halves: [[Item]]
        if items.count > 1 {
            halves = [Array(items[..<(items.count / 2)]), Array(items[(items.count / 2)...])]
        } else {
            halves = self.parts(first).map { [$0] }
            guard halves.count > 1 else { return ([], self.weight(first)) }
        }
        var result: (bodies: [OTLPBody], dropped: Int) = ([], 0)
        for half in halves {
            let (bodies, dropped) = self.make(half)
            result.bodies += bodies
            result.dropped += dropped
        }
        return result
    }
}
