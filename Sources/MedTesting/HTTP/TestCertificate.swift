// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// A certificate authority of a test's own, and what it has vouched for: a server on this machine, and a client.
package struct TestCertificate: Sendable {
    /// The authority's certificate, which clients are to trust.
    package let authority: URL
    /// The server's certificate, for `localhost`, 127.0.0.1 and ::1.
    package let server: URL
    /// Its key.
    package let serverKey: URL
    /// A client's certificate.
    package let client: URL
    /// Its key.
    package let clientKey: URL

    /// Makes all of it with OpenSSL, as PEM files in a folder.
    ///
    /// - Parameter days: How long the server's certificate is good; negative for one that is past its time.
    package init(in folder: URL, days: Int = 30) async throws {
        self.authority = folder.appending(path: "authority.pem")
        self.server = folder.appending(path: "server.pem")
        self.serverKey = folder.appending(path: "server.key")
        self.client = folder.appending(path: "client.pem")
        self.clientKey = folder.appending(path: "client.key")
        // The system's own would add extensions.
        let configuration = folder.appending(path: "openssl.conf")
        try Data("[req]\ndistinguished_name = name\n[name]\n".utf8).write(to: configuration)

        let common = [
            "req", "-x509", "-config", configuration.path, "-noenc", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-addext", "subjectKeyIdentifier=hash",
        ]
        let authorityKey = folder.appending(path: "authority.key")
        try await runTool(
            "openssl",
            common + [
                "-subj", "/CN=Test authority", "-out", self.authority.path, "-keyout", authorityKey.path,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
            ])
        let vouched =
            common + [
                "-CA", self.authority.path, "-CAkey", authorityKey.path, "-addext", "authorityKeyIdentifier=keyid",
            ]
        // In two steps: one step would not make a certificate that is past its time.
        let request = folder.appending(path: "server.csr")
        let extensions = folder.appending(path: "server.extensions")
        try Data(
            """
            subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
            extendedKeyUsage=serverAuth
            authorityKeyIdentifier=keyid
            subjectKeyIdentifier=hash

            """.utf8
        ).write(to: extensions)
        try await runTool(
            "openssl",
            [
                "req", "-new", "-config", configuration.path, "-noenc", "-newkey", "ec",
                "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost", "-out", request.path,
                "-keyout", self.serverKey.path,
            ])
        try await runTool(
            "openssl",
            [
                "x509", "-req", "-in", request.path, "-CA", self.authority.path, "-CAkey", authorityKey.path,
                "-extfile", extensions.path, "-days", "\(days)", "-out", self.server.path, "-CAcreateserial",
            ])
        try await runTool(
            "openssl",
            vouched + [
                "-subj", "/CN=A client", "-out", self.client.path, "-keyout", self.clientKey.path,
                "-addext", "extendedKeyUsage=clientAuth",
            ])
    }
}
