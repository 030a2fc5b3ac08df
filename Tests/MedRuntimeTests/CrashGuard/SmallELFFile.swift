// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The bytes of an ELF file with notes and a symbol table and nothing else, for tests that take it to pieces.
struct SmallELFFile {
    struct Symbol {
        var name: String
        var start: UInt64
        var size: UInt64
        /// 2 is a function, 1 a variable.
        var type: UInt64 = 2
        /// 0 is a symbol of another file.
        var section: UInt64 = 1
    }

    var symbols: [Symbol]
    var buildID: [UInt8] = [0x0A, 0xB1, 0xFF]
    /// 2 is the full table, 11 the dynamic linker's.
    var tableType: UInt64 = 2
    /// 3 is a file for any address, 2 one for a fixed address.
    var fileType: UInt64 = 3

    /// Where the sections' table starts.
    private(set) var sectionTableOffset = 0

    mutating func bytes() -> [UInt8] {
        var file = [UInt8](repeating: 0, count: 64 + 56)

        let notesOffset = UInt64(file.count)
        // A note of another kind comes first.
        file += self.note(type: 1, content: [1, 2, 3, 4, 5]) + self.note(type: 3, content: self.buildID)
        let notesSize = UInt64(file.count) - notesOffset

        var names: [UInt8] = [0]
        var table: [UInt8] = []
        for symbol in self.symbols {
            table += Self.number(UInt64(names.count) | symbol.type << 32 | symbol.section << 48, byteCount: 8)
            table += Self.number(symbol.start, byteCount: 8) + Self.number(symbol.size, byteCount: 8)
            names += Array(symbol.name.utf8) + [0]
        }
        let tableOffset = UInt64(file.count)
        file += table
        let namesOffset = UInt64(file.count)
        file += names

        self.sectionTableOffset = file.count
        file += self.section(type: 0, offset: 0, size: 0)
        file += self.section(
            type: self.tableType, link: 2, offset: tableOffset, size: UInt64(table.count), entrySize: 24)
        file += self.section(type: 3, offset: namesOffset, size: UInt64(names.count))

        let header =
            [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
            + Self.number(self.fileType, byteCount: 2) + Self.number(62, byteCount: 2) + Self.number(1, byteCount: 4)
            + Self.number(0, byteCount: 8) + Self.number(64, byteCount: 8)
            + Self.number(UInt64(self.sectionTableOffset), byteCount: 8)
            + Self.number(0, byteCount: 4) + Self.number(64, byteCount: 2) + Self.number(56, byteCount: 2)
            + Self.number(1, byteCount: 2) + Self.number(64, byteCount: 2) + Self.number(3, byteCount: 2)
            + Self.number(0, byteCount: 2)
        let segment =
            Self.number(4, byteCount: 4) + Self.number(4, byteCount: 4) + Self.number(notesOffset, byteCount: 8)
            + Self.number(notesOffset, byteCount: 8) + Self.number(notesOffset, byteCount: 8)
            + Self.number(notesSize, byteCount: 8) + Self.number(notesSize, byteCount: 8)
            + Self.number(4, byteCount: 8)
        file.replaceSubrange(0..<120, with: header + segment)
        return file
    }

    private func note(type: UInt64, content: [UInt8]) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (4 - content.count % 4) % 4)
        return Self.number(4, byteCount: 4) + Self.number(UInt64(content.count), byteCount: 4)
            + Self.number(type, byteCount: 4) + Array("GNU\0".utf8) + content + padding
    }

    private func section(
        type: UInt64,
        link: UInt64 = 0,
        offset: UInt64,
        size: UInt64,
        entrySize: UInt64 = 0
    ) -> [UInt8] {
        Self.number(0, byteCount: 4) + Self.number(type, byteCount: 4) + Self.number(0, byteCount: 8)
            + Self.number(0, byteCount: 8) + Self.number(offset, byteCount: 8) + Self.number(size, byteCount: 8)
            + Self.number(link, byteCount: 4) + Self.number(0, byteCount: 4) + Self.number(8, byteCount: 8)
            + Self.number(entrySize, byteCount: 8)
    }

    private static func number(_ number: UInt64, byteCount: Int) -> [UInt8] {
        (0..<byteCount).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
}
