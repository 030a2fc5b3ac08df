// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedRuntime

/// Damaged files. That a read past the end does not happen is what surviving these shows.
@Suite struct ELFFileTests {
    private static let function = SmallELFFile.Symbol(name: "$s3app5DrillV4trap2ofySi_tF", start: 0x100, size: 0x40)

    private var whole: SmallELFFile { SmallELFFile(symbols: [Self.function, Self.function]) }

    /// Reads all that can be read of a file.
    private func read(
        _ bytes: [UInt8],
        at file: URL,
        offsets: [UInt] = [0x100, 0x13F, 0x5000, 0]
    ) throws -> (buildID: String?, names: [String]) {
        // Some file systems write a truncated file to the disk at once, which takes long.
        try? FileManager.default.removeItem(at: file)
        try Data(bytes).write(to: file)
        let path = file.path(percentEncoded: false)
        let images = LoadedImages(
            maps: "10000-90000 r-xp 00000000 08:01 7    \(path)\n", mainImage: "", mainBuildID: nil)
        let frames = offsets.map { StackFrame(image: path, offset: $0) }
        return (ELFFile(path: path)?.buildID(), Symbolizer(images: images).names(for: frames))
    }

    private func patched(_ bytes: [UInt8], at position: Int, _ patch: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes.replaceSubrange(position..<position + patch.count, with: patch)
        return bytes
    }

    @Test func `an undamaged file gives its build id and names`() throws {
        var file = self.whole
        try withTemporaryPath { path in
            let (buildID, names) = try self.read(file.bytes(), at: path)
            #expect(buildID == "0ab1ff")
            #expect(names == ["app: Drill.trap(of:) + 0", "app: Drill.trap(of:) + 63", "app+0x5000", "app+0x0"])
        }
    }

    @Test func `a file for a fixed address is told from one for any address`() throws {
        try withTemporaryPath { path in
            for (type, isFixed) in [(2, true), (3, false)] as [(UInt64, Bool)] {
                var file = self.whole
                file.fileType = type
                try Data(file.bytes()).write(to: path)
                #expect(ELFFile(path: path.path(percentEncoded: false))?.hasFixedAddress == isFixed)
            }
        }
    }

    @Test func `a file cut off anywhere gives offsets`() throws {
        var file = self.whole
        let bytes = file.bytes()
        try withTemporaryPath { path in
            for length in 0..<bytes.count {
                let (_, names) = try self.read(Array(bytes[..<length]), at: path)
                #expect(names == ["app+0x100", "app+0x13f", "app+0x5000", "app+0x0"], "\(length) bytes")
            }
        }
    }

    @Test func `a file with any one byte wrong is survived`() throws {
        var file = self.whole
        let bytes = file.bytes()
        try withTemporaryPath { path in
            for position in bytes.indices {
                for value: UInt8 in [0, 0x7F, 0xFF] {
                    let (_, names) = try self.read(self.patched(bytes, at: position, [value]), at: path)
                    #expect(names.count == 4)
                }
            }
        }
    }

    @Test func `a file with the largest numbers in place of any eight bytes is survived`() throws {
        var file = self.whole
        let bytes = file.bytes()
        try withTemporaryPath { path in
            for position in stride(from: 0, to: bytes.count - 8, by: 4) {
                for patch in [[UInt8](repeating: 0xFF, count: 8), [UInt8](repeating: 0xFF, count: 7) + [0x7F]] {
                    let (_, names) = try self.read(self.patched(bytes, at: position, patch), at: path)
                    #expect(names.count == 4)
                }
            }
        }
    }

    @Test func `five hundred random damages of a real library are survived`() throws {
        // The dynamic linker: it is small and always there.
        let address = UInt(bitPattern: try #require(dlsym(nil, "__tls_get_addr")))
        let frame = try #require(LoadedImages.current().frame(of: address))
        let bytes = try [UInt8](Data(contentsOf: URL(filePath: frame.image)))
        var generator = RepeatableGenerator(state: 5)
        try withTemporaryPath { path in
            let (_, names) = try self.read(bytes, at: path, offsets: [frame.offset])
            #expect(names == ["app: __tls_get_addr + 0"])
            for _ in 0..<500 {
                var damaged = bytes
                for _ in 0..<20 {
                    // Much of the damage goes to the tables at the beginning and at the end.
                    let range = [0..<1024, bytes.count - 2048..<bytes.count, bytes.indices].randomElement(
                        using: &generator)
                    guard let range else { continue }
                    damaged[Int.random(in: range, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
                }
                let (_, names) = try self.read(damaged, at: path, offsets: [frame.offset, frame.offset + 1])
                #expect(names.count == 2)
            }
        }
    }

    @Test func `a file without tables has no build id and no names`() throws {
        var file = self.whole
        var bytes = file.bytes()
        bytes = self.patched(bytes, at: 32, [UInt8](repeating: 0, count: 16))
        bytes = self.patched(bytes, at: 54, [UInt8](repeating: 0, count: 10))
        try withTemporaryPath { path in
            let (buildID, names) = try self.read(bytes, at: path)
            #expect(buildID == nil)
            #expect(names.first == "app+0x100")
        }
    }

    @Test func `a file that is cut short after it was opened gives no names`() throws {
        var file = self.whole
        try withTemporaryPath { path in
            try Data(file.bytes()).write(to: path)
            let name = path.path(percentEncoded: false)
            let open = try #require(ELFFile(path: name))
            try #require(truncate(name, 100) == 0)
            #expect(open.functions(at: [0x100]).isEmpty)
            #expect(open.buildID() == nil)
        }
    }
}

/// Random numbers that are the same in each run (SplitMix64).
private struct RepeatableGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
