// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// An executable or library on disk, open for reading its build id and symbols.
///
/// Nothing in the file is trusted: every position is checked against what is there, and reading past the end, or from a
/// file that is cut short meanwhile, gives `nil`. (A mapping of it would be a SIGBUS then.)
final class ELFFile {
    struct Segment {
        let type: UInt32
        let offset: UInt64
        let size: UInt64
        let alignment: UInt64
    }

    struct Section {
        let type: UInt32
        let link: Int
        let offset: UInt64
        let size: UInt64
        let entrySize: UInt64
    }

    private let descriptor: CInt
    private let size: UInt64
    /// The segments' table, from the start of the file.
    private(set) var segments: [Segment] = []
    /// The sections' table, usually the end of the file.
    private(set) var sections: [Section] = []
    /// The file was linked for one address.
    private(set) var hasFixedAddress = false

    /// Opens a 64-bit little-endian file; `nil` if it cannot be read or is something else.
    init?(path: String) {
        // A pipe in its place must not stop us.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        let isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        self.descriptor = descriptor
        self.size = isFile ? UInt64(clamping: status.st_size) : 0

        let magic: [UInt8] = [0x7F, UInt8(ascii: "E"), UInt8(ascii: "L"), UInt8(ascii: "F"), 2, 1]
        guard let header = self.bytes(at: 0, count: 64), header.starts(with: magic) else { return nil }
        self.hasFixedAddress = header.number(UInt16.self, at: 16) == 2
        self.segments = self.table(
            at: header.number(UInt64.self, at: 32),
            entrySize: Int(header.number(UInt16.self, at: 54)),
            expected: 56,
            count: Int(header.number(UInt16.self, at: 56))
        ) { entry in
            Segment(
                type: entry.number(UInt32.self, at: 0),
                offset: entry.number(UInt64.self, at: 8),
                size: entry.number(UInt64.self, at: 32),
                alignment: entry.number(UInt64.self, at: 48)
            )
        }
        self.sections = self.table(
            at: header.number(UInt64.self, at: 40),
            entrySize: Int(header.number(UInt16.self, at: 58)),
            expected: 64,
            count: Int(header.number(UInt16.self, at: 60))
        ) { entry in
            Section(
                type: entry.number(UInt32.self, at: 4),
                link: Int(entry.number(UInt32.self, at: 40)),
                offset: entry.number(UInt64.self, at: 24),
                size: entry.number(UInt64.self, at: 32),
                entrySize: entry.number(UInt64.self, at: 56)
            )
        }
    }

    deinit {
        _ = close(self.descriptor)
    }

    /// The build id in hexadecimal, from the notes that are also in memory.
    func buildID() -> String? {
        let notes: UInt32 = 4
        for segment in self.segments where segment.type == notes && segment.size <= 1 << 16 {
            guard let bytes = self.bytes(at: segment.offset, count: Int(segment.size)) else { continue }
            if let buildID = Self.buildID(inNotes: bytes, alignment: segment.alignment == 8 ? 8 : 4) { return buildID }
        }
        return nil
    }

    private static func buildID(inNotes notes: [UInt8], alignment: Int) -> String? {
        func aligned(_ position: Int) -> Int { (position + alignment - 1) & ~(alignment - 1) }
        var start = 0
        while start + 12 <= notes.count {
            let nameSize = Int(notes.number(UInt32.self, at: start))
            let size = Int(notes.number(UInt32.self, at: start + 4))
            let type = notes.number(UInt32.self, at: start + 8)
            let name = start + 12
            let content = aligned(name + nameSize)
            guard content + size <= notes.count else { return nil }
            if type == 3, notes[name..<name + nameSize].elementsEqual("GNU\0".utf8), size > 0 {
                return Self.hexadecimal(notes[content..<content + size])
            }
            start = aligned(content + size)
        }
        return nil
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.reduce(into: "") { text, byte in
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }

    private func table<Entry>(
        at offset: UInt64,
        entrySize: Int,
        expected: Int,
        count: Int,
        entry: ([UInt8]) -> Entry
    ) -> [Entry] {
        guard entrySize == expected, let bytes = self.bytes(at: offset, count: entrySize * count) else { return [] }
        return (0..<count).map { index in entry(Array(bytes[index * entrySize..<(index + 1) * entrySize])) }
    }

    /// Exactly `count` bytes; `nil` if they are not all there.
    func bytes(at offset: UInt64, count: Int) -> [UInt8]? {
        guard self.contains(offset: offset, count: UInt64(count)) else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        let isComplete = bytes.withUnsafeMutableBytes { self.fill($0, from: offset) }
        return isComplete ? bytes : nil
    }

    /// Reads exactly as much as the buffer holds.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: UInt64) -> Bool {
        guard self.contains(offset: offset, count: UInt64(buffer.count)) else { return false }
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = pread(self.descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(filled))
            if count > 0 {
                filled += count
            } else if count == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }

    /// Whether the range was within the file when it was opened.
    func contains(offset: UInt64, count: UInt64) -> Bool {
        offset <= self.size && count <= self.size - offset
    }
}

extension [UInt8] {
    /// The little-endian number at a position; the caller has made sure that it is there.
    fileprivate func number<Number: FixedWidthInteger>(_ type: Number.Type, at position: Int) -> Number {
        var number: Number = 0
        for index in (0..<MemoryLayout<Number>.size).reversed() {
            number = number << 8 | Number(truncatingIfNeeded: self[position + index])
        }
        return number
    }
}
