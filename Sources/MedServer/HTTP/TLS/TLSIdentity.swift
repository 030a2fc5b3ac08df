// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
public import Logging
import MedRuntime
import NIOSSL
public import ServiceLifecycle
import Synchronization

/// The certificate, the private key and whom to believe, as they are on the disk, for connections to come.
///
/// New files are taken on without a restart; connections that are open keep what they began with. Files that cannot be
/// used change nothing: the server goes on with what it has, and says so.
public final class TLSIdentity: Service {
    /// What NIOSSL needs for one handshake.
    private struct Loaded {
        var context: NIOSSLContext
        var validity: DateInterval
        /// Of the files' contents, to see that they are others: a time or a size would miss some changes.
        var hash: Int
    }

    /// A look at the files that has not begun yet; whoever wants another one before it has joins it.
    private enum Pending {
        case none
        /// Only what has changed is loaded.
        case changes
        case everything
    }

    /// How often the files are looked at.
    static let interval = Duration.seconds(5)
    /// No file is longer: a certificate bundle of a whole system has some 200 KB.
    static let maxFileSize = 1 << 20

    private let files: Settings.TLS
    private let logger: Logger
    private let loaded: Mutex<Loaded>
    private let pending = Mutex(Pending.none)
    /// Files can be on a file system that hangs; nobody else waits for it.
    private let queue = DispatchQueue(label: "MedServer.TLSIdentity")

    /// Reads the files. It blocks, and is meant for the start of a process.
    ///
    /// - Throws: what is wrong, as a sentence for the operator.
    public init(files: Settings.TLS, logger: Logger) throws(TLSIdentityError) {
        self.files = files
        self.logger = logger
        self.loaded = Mutex(try Self.load(files, try Self.contents(of: files)))
    }

    /// For the next handshake.
    var context: NIOSSLContext { self.loaded.withLock { $0.context } }

    /// From when to when the first certificate of the chain is valid.
    var validity: DateInterval { self.loaded.withLock { $0.validity } }

    /// Takes on what is in the files now, soon, if it can be used. It does not wait for that, and may be called from any thread.
    public func reload() { self.look(.everything) }

    /// Reloads whenever a file has changed, until the shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.interval)) != nil { self.look(.changes) }
        }
    }

    private func look(_ wanted: Pending) {
        let mustAsk = self.pending.withLock { pending in
            defer { if wanted == .everything || pending == .none { pending = wanted } }
            return pending == .none
        }
        if mustAsk { self.queue.async { self.lookNow() } }
    }

    /// Runs on the queue.
    private func lookNow() {
        let wanted = self.pending.withLock { pending in
            defer { pending = .none }
            return pending
        }
        do throws(TLSIdentityError) {
            let contents: [[UInt8]]
            do {
                contents = try Self.contents(of: self.files)
            } catch {
                // While one is being replaced there may be none.
                if wanted == .changes { return }
                throw error
            }
            let hash = contents.hashValue
            if wanted == .changes, hash == self.loaded.withLock({ $0.hash }) { return }
            // What is wrong with these is said once.
            self.loaded.withLock { $0.hash = hash }
            let new = try Self.load(self.files, contents)
            self.loaded.withLock { $0 = new }
            self.logger.notice(
                "TLS certificate reloaded",
                metadata: ["tls.server.not_after": "\(Timestamp(date: new.validity.end))"]
            )
        } catch {
            self.logger.error(
                "TLS certificate not reloaded, the old one stays", metadata: ["error.message": "\(error)"])
        }
    }

    private static func contents(of files: Settings.TLS) throws(TLSIdentityError) -> [[UInt8]] {
        var contents: [[UInt8]] = []
        for path in files.paths {
            // Secrets of Kubernetes are links. Opening a pipe would wait for its writer.
            let target = URL(filePath: path).resolvingSymlinksInPath().path
            let type = try? FileManager.default.attributesOfItem(atPath: target)[.type] as? FileAttributeType
            guard type == .typeRegular, let file = FileHandle(forReadingAtPath: target),
                let data = try? file.read(upToCount: self.maxFileSize + 1) ?? Data()
            else { throw TLSIdentityError(.unreadable, "The file \"\(path)\" cannot be read.") }
            guard data.count <= self.maxFileSize else {
                throw TLSIdentityError(
                    .unreadable, "The file \"\(path)\" is longer than the 1 MiB that certificates and keys can have.")
            }
            contents.append(Array(data))
        }
        return contents
    }

    private static func load(_ files: Settings.TLS, _ contents: [[UInt8]]) throws(TLSIdentityError) -> Loaded {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMBytes(contents[0])
        } catch {
            throw TLSIdentityError(.certificate, "\"\(files.certificateFile)\" holds no certificates in PEM form.")
        }
        guard let first = chain.first else {
            throw TLSIdentityError(.certificate, "\"\(files.certificateFile)\" holds no certificate.")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: contents[1], format: .pem)
        } catch {
            throw TLSIdentityError(.key, "\"\(files.keyFile)\" holds no private key in PEM form without a passphrase.")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        // RFC 9325 §3.1.1: nothing older.
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        configuration.shutdownTimeout = ConnectionLimits.lingerTime
        if let authorities = files.clientAuthorityFile {
            do {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(contents[2]))
            } catch {
                throw TLSIdentityError(.authorities, "\"\(authorities)\" holds no certificates in PEM form.")
            }
            configuration.certificateVerification =
                files.clientCertificate == .required ? .noHostnameVerification : .optionalVerification
        }
        let begin = TimeInterval(first.notValidBefore)
        do {
            return Loaded(
                context: try NIOSSLContext(configuration: configuration),
                validity: DateInterval(
                    start: Date(timeIntervalSince1970: begin),
                    // One that ends before it begins is a mistake that the system's clients will see.
                    end: Date(timeIntervalSince1970: max(begin, TimeInterval(first.notValidAfter)))
                ),
                hash: contents.hashValue
            )
        } catch {
            throw TLSIdentityError(
                .mismatch,
                "The private key in \"\(files.keyFile)\" is not that of the first certificate in \"\(files.certificateFile)\"."
            )
        }
    }
}

/// Why a certificate cannot be served.
public struct TLSIdentityError: Error, CustomStringConvertible {
    /// Which of the files.
    public enum Code: Sendable {
        /// One of them cannot be read.
        case unreadable
        /// The certificate.
        case certificate
        /// The private key.
        case key
        /// The authorities for clients.
        case authorities
        /// They do not belong together.
        case mismatch
    }

    /// Branch on this.
    public let code: Code
    /// Tell the operator this: a sentence.
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
