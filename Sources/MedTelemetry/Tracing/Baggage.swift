// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What the services of a trace tell one another: names and values, in their order (W3C Baggage).
///
/// It goes to every service that is called, third parties too: nothing about a patient belongs here.
public struct Baggage: Sendable, Equatable {
    /// One name and its value.
    public struct Member: Sendable, Equatable {
        /// A token (RFC 9110, section 5.6.2).
        public var name: String
        /// Any text.
        public var value: String
        /// What else the sender has written about it, as it was written: `;`-separated.
        public var properties: String

        /// A name and its value.
        public init(name: String, value: String, properties: String = "") {
            self.name = name
            self.value = value
            self.properties = properties
        }
    }

    /// The most members that are read or written.
    public static let maximumCount = 64
    /// The most bytes of a header that are read or written.
    public static let maximumSize = 8192

    /// All members.
    public var members: [Member]

    /// Baggage of these members.
    public init(_ members: [Member] = []) { self.members = members }

    /// The value of the first member with this name.
    public subscript(name: String) -> String? { self.members.first { $0.name == name }?.value }
}
