// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension ELFFile {
    /// A function that the symbol table names.
    struct Function: Equatable {
        /// As the linker knows it.
        let name: String
        /// Where it begins.
        let offset: UInt
    }

    /// The function around each offset; none where the file names none.
    ///
    /// The table of a large server holds 250,000 symbols. It is gone through once, a piece at a time, and only the
    /// names that are wanted are read, so it takes a few milliseconds and next to no memory.
    func functions(at offsets: Set<UInt>) -> [UInt: Function] {
        guard let table = self.symbolTable, !offsets.isEmpty else { return [:] }
        let offsets = offsets.sorted()
        var found = [(start: UInt, name: UInt64)?](repeating: nil, count: offsets.count)
        var piece = [UInt64](repeating: 0, count: 2048 * Symbol.wordCount)
        let end = table.symbols.offset + table.symbols.size / Symbol.size * Symbol.size
        var position = table.symbols.offset
        while position < end {
            let byteCount = min(end - position, UInt64(piece.count * 8))
            let isComplete = piece.withUnsafeMutableBytes { bytes in
                self.fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(byteCount)]), from: position)
            }
            guard isComplete else { break }
            Self.search(piece[..<Int(byteCount / 8)], for: offsets, found: &found)
            position += byteCount
        }

        var functions: [UInt: Function] = [:]
        for (offset, found) in zip(offsets, found) {
            guard let found, let name = self.name(at: found.name, in: table.names) else { continue }
            functions[offset] = Function(name: name, offset: found.start)
        }
        return functions
    }

    /// Notes the symbols around any of the sorted offsets. Plain loops, which a debug build does quickly as well.
    private static func search(
        _ words: ArraySlice<UInt64>,
        for offsets: [UInt],
        found: inout [(start: UInt, name: UInt64)?]
    ) {
        let highest = offsets[offsets.count - 1]
        words.withUnsafeBufferPointer { words in
            var word = 0
            while word < words.count {
                let symbol = Symbol(first: words[word], start: UInt(words[word + 1]), size: UInt(words[word + 2]))
                word += Symbol.wordCount
                if symbol.start > highest || !symbol.isFunction { continue }
                // The first offset that is not below the symbol.
                var low = 0
                var high = offsets.count - 1
                while low < high {
                    let middle = (low + high) / 2
                    if offsets[middle] < symbol.start { low = middle + 1 } else { high = middle }
                }
                while low < offsets.count, offsets[low] - symbol.start < symbol.size {
                    // The innermost one, and of several names for it the first.
                    if found[low].map({ $0.start < symbol.start }) ?? true { found[low] = (symbol.start, symbol.name) }
                    low += 1
                }
            }
        }
    }

    /// The full table if the file was not stripped, else that of the dynamic linker.
    private var symbolTable: (symbols: Section, names: Section)? {
        for type: UInt32 in [2, 11] {
            for section in self.sections where section.type == type && section.entrySize == Symbol.size {
                guard self.contains(offset: section.offset, count: section.size), section.link < self.sections.count
                else { continue }
                let names = self.sections[section.link]
                if names.type == 3, self.contains(offset: names.offset, count: names.size) { return (section, names) }
            }
        }
        return nil
    }

    private func name(at offset: UInt64, in names: Section) -> String? {
        // The longest one in a release build of this server has 1,400 bytes.
        let limit: UInt64 = 4096
        guard offset < names.size else { return nil }
        let count = min(names.size - offset, limit)
        guard let bytes = self.bytes(at: names.offset + offset, count: Int(count)), let end = bytes.firstIndex(of: 0)
        else { return nil }
        let name = bytes[..<end]
        // Linkers' names are printable ASCII; anything else is damage.
        guard !name.isEmpty, name.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return String(decoding: name, as: UTF8.self)
    }
}

extension ELFFile {
    /// An entry of a symbol table.
    private struct Symbol {
        static let wordCount = 3
        static let size: UInt64 = 24

        /// Name, type, visibility and section.
        let first: UInt64
        let start: UInt
        let size: UInt

        /// Where the name begins.
        var name: UInt64 { self.first & 0xFFFF_FFFF }

        /// Whether it is a function (or one of GNU's indirect ones) that the file holds.
        var isFunction: Bool {
            let type = self.first >> 32 & 0xF
            return (type == 2 || type == 10) && self.first >> 48 != 0
        }
    }
}
