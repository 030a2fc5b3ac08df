// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import MedPrivacy

extension Settings {
    /// How PHI is protected.
    public struct Encryption: Sendable, Equatable {
        /// Whether PHI is encrypted.
        ///
        /// - Key: `phi.encryption`. Default: `on`. `off` is refused in staging and production.
        public var isOn: Bool
        /// The key that was set; without one, development and test use a key that is made on first start.
        ///
        /// - Key: `phi.encryptionKey`, a secret. Default: none. Staging and production demand it.
        public var key: PHIKey?

        init(reader: inout SettingsReader, environment: AppEnvironment) {
            self.key = reader.optionalValue(.phiEncryptionKey) { (text) throws(SettingsReader.Refusal) in
                do throws(PHIKeyError) {
                    return try PHIKey(base64: text)
                } catch {
                    throw SettingsReader.Refusal(Self.reason(error))
                }
            }
            self.isOn = reader.isOn(.phiEncryption)

            guard environment.isDeployed, reader.areSound(.appEnvironment) else { return }
            reader.require(.phiEncryptionKey, in: environment)
            if !self.isOn, reader.areSound(.phiEncryption) {
                reader.refuse(.phiEncryption, "it must be on in \(environment.rawValue)")
            }
        }

        /// The sentences of the error as the end of ours, which brings its own full stop.
        private static func reason(_ error: PHIKeyError) -> String {
            error.description.hasSuffix(".") ? String(error.description.dropLast()) : error.description
        }
    }
}
