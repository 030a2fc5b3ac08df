// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedTelemetry

@Suite struct OTLPSpoolTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "spool-\(UUID().uuidString)")
        .path(percentEncoded: false)

    private func body(_ byte: UInt8, size: Int, _ signal: OTLPSignal = .traces) -> OTLPBody {
        OTLPBody(
            signal: signal, form: .protobuf, isCompressed: true, count: 3, bytes: [UInt8](repeating: byte, count: size))
    }

    private func remove() { try? FileManager.default.removeItem(atPath: self.folder) }

    private func files() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: self.folder)) ?? [] }

    @Test func `what is kept comes back in its order, by signal`() async {
        defer { self.remove() }
        let spool = OTLPSpool(folder: self.folder)
        #expect(await spool.names(.traces) == [])
        let bodies = (0..<12).map { self.body($0, size: 10, $0 % 2 == 0 ? .traces : .logs) }
        #expect(await spool.save(bodies, wallNow: 5) == bodies.map { _ in true })
        #expect(await spool.save([self.body(99, size: 10)], wallNow: 4) == [true])
        var loaded: [OTLPSpool.Loaded] = []
        for name in await spool.names(.traces) ?? [] { loaded.append(await spool.load(name)) }
        #expect(loaded == ([self.body(99, size: 10)] + bodies.filter { $0.signal == .traces }).map { .body($0) })
        for name in await spool.names(.logs) ?? [] { await spool.remove(name) }
        #expect(await spool.names(.logs) == [])
        #expect(await spool.names(.traces)?.count == 7)
    }

    @Test func `a full spool keeps the older`() async {
        defer { self.remove() }
        let spool = OTLPSpool(folder: self.folder, limit: 1000)
        #expect(
            await spool.save([self.body(1, size: 600), self.body(2, size: 500), self.body(3, size: 400)], wallNow: 1)
                == [true, false, true])
        #expect(await spool.save([self.body(4, size: 1)], wallNow: 2) == [false])
        #expect(self.files().count == 2)
    }

    @Test func `a folder that cannot be used loses what it is given, and says so`() async throws {
        defer { self.remove() }
        try Data().write(to: URL(filePath: self.folder))
        #expect(await OTLPSpool(folder: self.folder).save([self.body(1, size: 1)], wallNow: 1) == [false])
        #expect(await OTLPSpool(folder: self.folder).names(.traces) == [])
    }

    @Test func `what somebody else has put there stops nobody`() async throws {
        defer { self.remove() }
        let spool = OTLPSpool(folder: self.folder)
        _ = await spool.save([self.body(1, size: 10)], wallNow: 5)
        // A count that no body has, which would be more than can be added up.
        try Data("x".utf8).write(
            to: URL(filePath: "\(self.folder)/00000000000000000001-000000-traces-9223372036854775807.pb"))
        // A pipe: whoever opens it waits for a writer.
        #expect(mkfifo("\(self.folder)/00000000000000000002-000000-traces-1.pb", 0o600) == 0)
        var loaded: [OTLPSpool.Loaded] = []
        for name in await spool.names(.traces) ?? [] { loaded.append(await spool.load(name)) }
        #expect(loaded == [.unreadable, .body(self.body(1, size: 10))])
    }

    @Test func `a link to somebody's folder is not followed`() async throws {
        let theirs = self.folder + "-theirs"
        defer {
            self.remove()
            try? FileManager.default.removeItem(atPath: theirs)
        }
        try FileManager.default.createDirectory(atPath: theirs, withIntermediateDirectories: true)
        // Whatever the umask.
        #expect(chmod(theirs, 0o755) == 0)
        let name = "00000000000000000001-000000-traces-1.pb"
        for file in [name, ".mine.part"] { try Data("x".utf8).write(to: URL(filePath: "\(theirs)/\(file)")) }
        try FileManager.default.createSymbolicLink(atPath: self.folder, withDestinationPath: theirs)
        let spool = OTLPSpool(folder: self.folder)
        #expect(await spool.names(.traces) == [])
        #expect(await spool.save([self.body(1, size: 1)], wallNow: 1) == [false])
        #expect(try FileManager.default.contentsOfDirectory(atPath: theirs).sorted() == [".mine.part", name])
        let mode = try FileManager.default.attributesOfItem(atPath: theirs)[.posixPermissions] as? Int
        #expect(mode == 0o755)
    }

    @Test func `what a killed process has left unfinished is cleared away`() async throws {
        defer { self.remove() }
        let spool = OTLPSpool(folder: self.folder)
        _ = await spool.save([self.body(1, size: 10)], wallNow: 1)
        try Data("x".utf8).write(to: URL(filePath: "\(self.folder)/.00000000000000000001-000000-traces-1.pb.part"))
        _ = await spool.save([self.body(1, size: 10)], wallNow: 2)
        #expect(self.files().count == 2)
    }

    @Test func `files of others are neither sent nor removed`() async throws {
        defer { self.remove() }
        let spool = OTLPSpool(folder: self.folder)
        _ = await spool.save([self.body(1, size: 10)], wallNow: 1)
        let secret = self.folder + "-secret"
        try Data("secret".utf8).write(to: URL(filePath: secret))
        defer { try? FileManager.default.removeItem(atPath: secret) }
        let link = "00000000000000000009-000000-traces-1.pb"
        try FileManager.default.createSymbolicLink(atPath: "\(self.folder)/\(link)", withDestinationPath: secret)
        let large = "00000000000000000008-000000-traces-1.pb"
        try Data(count: 3_000_000).write(to: URL(filePath: "\(self.folder)/\(large)"))
        let others = ["notes.txt", ".pb", "-.pb", "x-000000-traces-1.pb", "00000000000000000001-000000-traces-1.txt"]
        for name in others { try Data("x".utf8).write(to: URL(filePath: "\(self.folder)/\(name)")) }
        #expect(await spool.names(.traces)?.count == 3)
        // Through a link, and larger than any body: not read.
        #expect(await spool.load(link) == .unreadable)
        #expect(await spool.load(large) == .unreadable)
        #expect(await spool.load("../\(link)") == .unreadable)
        #expect(self.files().count == 8)
    }
}
