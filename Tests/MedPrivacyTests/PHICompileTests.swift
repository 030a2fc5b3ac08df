// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Shows to the compiler what must not compile: each snippet must be refused, and for the reason that is given.
///
/// The compiler is the `swiftc` of the path, the modules are those that this test was built with.
@Suite(.serialized) struct PHICompileTests {
    struct Snippet: Sendable, CustomTestStringConvertible {
        let code: String
        let diagnostic: String
        var testDescription: String { self.code }
    }

    private struct Failure: Error, CustomStringConvertible { let description: String }

    /// What is around a snippet. The control shows that all of this compiles.
    private static let prelude = """
        import Foundation
        import Logging
        import MedPrivacy
        import Metrics
        import Tracing
        let phi = PHI("Ada Lovelace")
        let other = PHI("Ada Lovelace")
        let logger = Logger(label: "test")
        func traced(_ span: any Span) throws {

        """

    private static let refused = [
        Snippet(
            code: "let s: String = phi", diagnostic: "cannot convert value of type 'PHI<String>' to specified type"),
        Snippet(code: "let s = String(phi)", diagnostic: "'PHI<String>' conform to 'LosslessStringConvertible'"),
        Snippet(
            code: #"let s = "name: " + phi"#,
            diagnostic: "operator '+' cannot be applied to operands of type 'String' and 'PHI<String>'"),
        Snippet(code: "_ = try JSONEncoder().encode(phi)", diagnostic: "'PHI<String>' conform to 'Encodable'"),
        Snippet(
            code: "_ = try JSONDecoder().decode(PHI<String>.self, from: Data())",
            diagnostic: "'PHI<String>' conform to 'Decodable'"),
        Snippet(code: "_ = phi == other", diagnostic: "'PHI<String>' conform to 'Equatable'"),
        Snippet(code: "_ = phi < other", diagnostic: "'PHI<String>' conform to 'Comparable'"),
        Snippet(code: "_ = Set([phi])", diagnostic: "'PHI<String>' conform to 'Hashable'"),
        Snippet(code: "_ = [phi: 1]", diagnostic: "'PHI<String>' conform to 'Hashable'"),
        Snippet(code: #"let p: PHI<String> = "Ada""#, diagnostic: "cannot convert value of type 'String'"),
        Snippet(code: "_ = phi.value", diagnostic: "'value' is inaccessible due to 'private' protection level"),
        Snippet(code: "_ = phi.disclose()", diagnostic: "missing argument for parameter 'for'"),
        Snippet(
            code: #"Counter(label: "x", dimensions: [("a", phi)]).increment()"#,
            diagnostic: "cannot convert value of type 'PHI<String>'"),
        Snippet(code: "logger.info(phi)", diagnostic: "cannot convert value of type 'PHI<String>'"),
        Snippet(
            code: #"logger.info("x", metadata: ["a": phi])"#, diagnostic: "cannot convert value of type 'PHI<String>'"),
        Snippet(
            code: #"logger.info("x", metadata: ["a": .string(phi)])"#,
            diagnostic: "cannot convert value of type 'PHI<String>'"),
        Snippet(code: #"span.attributes["x"] = phi"#, diagnostic: "type 'PHI<String>'"),
        Snippet(code: "span.operationName = phi", diagnostic: "cannot assign value of type 'PHI<String>'"),
    ]

    @Test func `the control compiles`() async throws {
        let code = #"""
            logger.info("admitted \(phi)", metadata: ["name": "\(phi)", "other": .stringConvertible(phi)])
            span.attributes["x"] = "\(phi)"
            Counter(label: "x", dimensions: [("a", "\(phi)")]).increment()
            _ = try JSONEncoder().encode(phi.disclose(for: .treatment))
            _ = phi.hasSameValue(as: other)
            """#
        let diagnostics = try await self.typeCheck(code)
        #expect(diagnostics.isEmpty)
    }

    @Test(arguments: refused)
    func `what must not compile does not`(snippet: Snippet) async throws {
        let errors = try await self.typeCheck(snippet.code).split(separator: "\n")
            .filter { $0.contains("error:") || $0.contains("note:") }
        #expect(errors.contains { $0.contains("error:") })
        #expect(errors.contains { $0.contains(snippet.diagnostic) }, "\(errors.joined(separator: "\n"))")
        // Nothing is wrong but the snippet itself.
        let line = Self.prelude.count { $0 == "\n" } + 1
        #expect(errors.filter { $0.contains("error:") }.allSatisfy { $0.contains("snippet.swift:\(line):") })
    }

    // MARK: The compiler

    /// What the compiler says to a snippet.
    private func typeCheck(_ code: String) async throws -> String {
        let folder = try TemporaryFolder()
        let file = folder.path + "/snippet.swift"
        try (Self.prelude + code + "\n}\n").write(toFile: file, atomically: true, encoding: .utf8)
        let products = try Self.products()
        var arguments = [
            "swiftc", "-typecheck", "-swift-version", "6", "-diagnostic-style", "llvm", "-module-cache-path",
            products + "/ModuleCache",
            "-I", products + "/Modules", "-I", products,
        ]
        // C modules that Swift modules of the package import.
        for entry in try FileManager.default.contentsOfDirectory(atPath: products).sorted() {
            let map = "\(products)/\(entry)/module.modulemap"
            guard entry.hasSuffix(".build"), FileManager.default.fileExists(atPath: map) else { continue }
            arguments += ["-Xcc", "-fmodule-map-file=\(map)"]
        }
        arguments.append(file)
        return try await Self.standardError(of: arguments)
    }

    /// The folder that this test's executable lies in, with the modules beside it.
    private static func products() throws -> String {
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        for path in [executable] + CommandLine.arguments {
            var folder = URL(filePath: path)
            for _ in 0..<4 {
                folder.deleteLastPathComponent()
                let module = folder.appending(path: "Modules/MedPrivacy.swiftmodule").path(percentEncoded: false)
                if FileManager.default.fileExists(atPath: module) { return folder.path(percentEncoded: false) }
            }
        }
        throw Failure(description: "There are no modules beside \(executable).")
    }

    /// Runs a program to its end, on a thread that may wait.
    private static func standardError(of arguments: [String]) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                let process = Process()
                process.executableURL = URL(filePath: "/usr/bin/env")
                process.arguments = arguments
                let pipe = Pipe()
                process.standardError = pipe
                process.standardOutput = FileHandle.nullDevice
                do {
                    try process.run()
                    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
                    process.waitUntilExit()
                    continuation.resume(returning: String(decoding: output, as: UTF8.self))
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }
}
