// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What the log says of a stack.
enum StackTrace {
    /// The functions at these addresses of this process, innermost first.
    static func lines(_ addresses: [UInt]) -> [String] {
        let images = LoadedImages.current()
        // What belongs to no image was no code: a jump into nowhere.
        let frames = addresses.map { images.frame(of: $0) ?? StackFrame(image: "?", offset: $0) }
        return Self.lines(Symbolizer(images: images).names(for: frames))
    }

    /// The same without what tells nobody anything: the compiler's thunks, and recursion again and again.
    static func lines(_ names: [String]) -> [String] {
        var lines: [(name: String, count: Int)] = []
        for name in names where !Self.isThunk(name) {
            if let last = lines.last, last.name == name {
                lines[lines.count - 1].count += 1
            } else {
                lines.append((name, 1))
            }
        }
        return lines.map { $0.count == 1 ? $0.name : "\($0.name) (\($0.count) times)" }
    }

    private static func isThunk(_ name: String) -> Bool {
        ["thunk for ", "partial apply for ", "implicit closure #", "protocol witness for "]
            .contains { name.contains(": \($0)") || name.contains(": specialized \($0)") }
    }
}
