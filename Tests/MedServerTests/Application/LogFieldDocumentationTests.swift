// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// Every field of our log records is explained to operators.
@Suite struct LogFieldDocumentationTests {
    /// The keys of metadata in our sources: `"http.route": "\(…)"` and `metadata["http.route"]`.
    private static func fields() throws -> Set<String> {
        let sources = Project.file("Sources")
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
        var fields: Set<String> = []
        for case let file as URL in try #require(files) where file.pathExtension == "swift" {
            // That one is for tests alone.
            if file.path.contains("/MedTesting/") { continue }
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /"([a-z]+(?:\.[a-zA-Z_]+)*)": ?"\\\(|metadata\["([a-z]+(?:\.[a-zA-Z_]+)*)"\]/)
            {
                if let field = match.1 ?? match.2 { fields.insert(String(field)) }
            }
        }
        return fields
    }

    @Test func `operators find every field of a log record explained`() throws {
        let fields = try Self.fields()
        #expect(fields.count > 30)
        let document = try Project.text("docs/operations.md")
        for field in fields.sorted() {
            let family = field.split(separator: ".").first.map { "`\($0).…`" } ?? ""
            #expect(
                document.contains("`\(field)`") || document.contains(family), "\(field) is not in docs/operations.md")
        }
    }
}
