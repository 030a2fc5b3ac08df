// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// The files that a port needs to speak TLS.
    public struct TLS: Sendable, Equatable {
        /// What is asked of clients, where there are authorities for them.
        public enum ClientCertificate: String, Sendable, CaseIterable {
            /// One that is shown must be good; a client may show none.
            case optional
            /// Who shows none is not served.
            case required
        }

        /// The certificate, and those that vouch for it.
        ///
        /// - Key: `tls.certificateFile`.
        public var certificateFile: String
        /// The private key of the certificate.
        ///
        /// - Key: `tls.keyFile`.
        public var keyFile: String
        /// The authorities for the certificates of clients; without them, clients are not asked for one.
        ///
        /// - Key: `tls.clientCaFile`.
        public var clientAuthorityFile: String?
        /// What is asked of clients.
        ///
        /// - Key: `tls.clientCertificate`. Default: `optional`.
        public var clientCertificate: ClientCertificate

        /// All files.
        var paths: [String] { [self.certificateFile, self.keyFile] + (self.clientAuthorityFile.map { [$0] } ?? []) }

        static func read(from reader: inout SettingsReader) -> TLS? {
            let certificate = reader.optionalValue(.tlsCertificateFile) { $0 }
            let key = reader.optionalValue(.tlsKeyFile) { $0 }
            let authorities = reader.optionalValue(.tlsClientCAFile) { $0 }
            let clients: ClientCertificate = reader.choice(.tlsClientCertificate)
            guard reader.areSound(.tlsCertificateFile, .tlsKeyFile, .tlsClientCAFile, .tlsClientCertificate) else {
                return nil
            }
            if certificate == nil, key != nil || authorities != nil {
                reader.reject(
                    "tls.certificateFile (TLS_CERTIFICATE_FILE) is not set; with another setting of TLS it must be.")
            }
            if certificate != nil, key == nil {
                reader.reject("tls.keyFile (TLS_KEY_FILE) is not set; with a certificate it must be.")
            }
            if clients == .required, authorities == nil {
                reader.refuse(.tlsClientCertificate, "without tls.clientCaFile there is nobody to vouch for a client")
            }
            guard let certificate, let key else { return nil }
            return TLS(
                certificateFile: certificate,
                keyFile: key,
                clientAuthorityFile: authorities,
                clientCertificate: clients
            )
        }
    }
}
