// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// Whom the server believes, and whom it shows how it is.
    struct Access: Sendable, Equatable {
        /// Who gets `/health`, `/metrics` and `/status`; nil for everybody.
        ///
        /// - Key: `health.allow`, ranges with commas or spaces between them.
        var health: [AddressRange]?
        /// Whose headers say who the client is.
        ///
        /// - Key: `trusted.proxies`, ranges with commas or spaces between them.
        var trustedProxies: [AddressRange]
        /// What changes the log's levels from another machine; nil if nothing does.
        ///
        /// - Key: `management.token`, a secret.
        var managementToken: ManagementToken?

        init(reader: inout SettingsReader) {
            self.health = reader.optionalValue(.healthAllow, parse: Self.ranges)
            self.trustedProxies = reader.optionalValue(.trustedProxies, parse: Self.ranges) ?? []
            self.managementToken = reader.optionalValue(.managementToken) { text throws(SettingsReader.Refusal) in
                guard let token = ManagementToken(text) else {
                    throw SettingsReader.Refusal(Setting.managementToken.rule.text)
                }
                return token
            }
        }

        private static func ranges(_ text: String) throws(SettingsReader.Refusal) -> [AddressRange] {
            let parts = text.split { $0 == "," || $0.isWhitespace }
            guard !parts.isEmpty else { throw SettingsReader.Refusal("it must be \(AddressRange.rule)") }
            var ranges: [AddressRange] = []
            for part in parts {
                do throws(AddressRangeError) {
                    ranges.append(try AddressRange(String(part)))
                } catch {
                    throw SettingsReader.Refusal("it must be \(AddressRange.rule)")
                }
            }
            return ranges
        }
    }
}

extension AddressRange {
    /// What a list of ranges must look like.
    static let rule = "addresses and ranges such as 10.0.0.0/8 or fd00::/8, with commas between them"
}
