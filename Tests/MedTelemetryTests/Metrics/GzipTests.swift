// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedTelemetry

@Suite struct GzipTests {
    @Test func `gzip comes back`() throws {
        let bytes = Array(repeating: Array("medbuilder ".utf8), count: 10_000).flatMap(\.self)
        let packed = Gzip.compress(bytes)
        #expect(packed.count < bytes.count / 50 && packed.starts(with: [0x1f, 0x8b]))
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: packed)
        try input.fileHandleForWriting.close()
        #expect(try output.fileHandleForReading.readToEnd().map { Array($0) } == bytes)
        process.waitUntilExit()
        #expect(Gzip.compress([]).starts(with: [0x1f, 0x8b]))
    }
}
