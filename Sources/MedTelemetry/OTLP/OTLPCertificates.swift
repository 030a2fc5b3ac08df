// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import NIOSSL

/// Whom a connection to a collector trusts, and who it says that it is, where that is not what every connection does.
struct OTLPCertificates: Sendable, Equatable {
    /// The authorities that are trusted; none for those of the system.
    var authorities: [NIOSSLCertificate] = []
    /// This process's own certificate, and those that vouch for it.
    var chain: [NIOSSLCertificate] = []
    var key: NIOSSLPrivateKey?

    var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if !self.authorities.isEmpty { configuration.trustRoots = .certificates(self.authorities) }
        configuration.certificateChain = self.chain.map { .certificate($0) }
        configuration.privateKey = self.key.map { .privateKey($0) }
        return configuration
    }
}

extension OTLPEnvironment {
    /// `OTEL_EXPORTER_OTLP_CERTIFICATE`, `…_CLIENT_CERTIFICATE` and `…_CLIENT_KEY` of a signal: files in PEM; nil if there are none.
    mutating func certificates(_ signal: OTLPSignal) -> OTLPCertificates? {
        var certificates = OTLPCertificates()
        certificates.authorities = self.load(signal, "CERTIFICATE", "certificates", NIOSSLCertificate.fromPEMFile) ?? []
        certificates.chain =
            self.load(signal, "CLIENT_CERTIFICATE", "certificates", NIOSSLCertificate.fromPEMFile) ?? []
        certificates.key = self.load(signal, "CLIENT_KEY", "a key") { try NIOSSLPrivateKey(file: $0, format: .pem) }
        if certificates.chain.isEmpty != (certificates.key == nil) {
            self.reject(
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY must be set both or neither.")
        }
        return certificates == OTLPCertificates() ? nil : certificates
    }

    private mutating func load<Content>(
        _ signal: OTLPSignal, _ ending: String, _ what: String, _ read: (String) throws -> Content
    ) -> Content? {
        guard let name = self.signalVariable(signal, ending), let path = self.text(name) else { return nil }
        if let content = try? read(path) { return content }
        self.reject("\(name) is no file in PEM format with \(what) that can be read.")
        return nil
    }
}
