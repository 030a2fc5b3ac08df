// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Names for stack frames, from the symbol tables of the files that this process has loaded.
///
/// ```swift
/// let images = LoadedImages.current()
/// let frames = addresses.compactMap(images.frame(of:))
/// Symbolizer(images: images).names(for: frames)
/// // ["medbuilder: DrillRoutes.trap(request:context:) + 123", "libc.so.6+0x8a123"]
/// ```
///
/// It reads files, which blocks. No other file than a loaded one is opened, whatever a crash record says.
package struct Symbolizer: Sendable {
    private let images: LoadedImages
    private let mainImage: String
    private let namesMainImage: Bool

    /// Names frames of this process.
    package init(images: LoadedImages) {
        self.images = images
        self.mainImage = images.mainImage
        self.namesMainImage = true
    }

    /// Names frames of a dead process: those of its executable only if that is the one that runs now.
    package init(images: LoadedImages, mainImage: String, mainBuildID: String?) {
        self.images = images
        self.mainImage = mainImage
        self.namesMainImage = mainBuildID != nil && mainBuildID == images.mainBuildID
    }

    /// One name for each frame. The first frame is an instruction, the others are return addresses.
    package func names(for frames: [StackFrame]) -> [String] {
        var names = frames.map { frame in
            "\(Self.fileName(frame.image))+0x\(String(frame.offset, radix: 16))"
        }
        for (image, indices) in Dictionary(grouping: frames.indices, by: { frames[$0].image }) {
            guard let path = self.file(of: image), let file = ELFFile(path: path) else { continue }
            func sought(_ index: Int) -> UInt {
                // A call can be the last instruction of a function: its return address is then in the next one.
                let offset = frames[index].offset
                return index == 0 || offset == 0 ? offset : offset - 1
            }
            let functions = file.functions(at: Set(indices.map(sought)))
            for index in indices {
                guard let function = functions[sought(index)] else { continue }
                let distance = frames[index].offset - function.offset
                names[index] = "\(Self.fileName(image)): \(Self.readable(function.name)) + \(distance)"
            }
        }
        return names
    }

    private func file(of image: String) -> String? {
        guard image == self.mainImage else {
            // With another executable, the same path is not the same file.
            return image == self.images.mainImage ? nil : self.images.file(of: image)
        }
        return self.namesMainImage ? self.images.file(of: self.images.mainImage) : nil
    }

    private static func fileName(_ path: String) -> Substring {
        path.split(separator: "/").last ?? "?"
    }

    /// A name as it would stand in the source code; one that is not of Swift or C++ as it is.
    private static func readable(_ name: String) -> String {
        guard let text = demangle(name, name.utf8.count, nil, nil) else { return name }
        defer { free(text) }
        return String(cString: text)
    }
}

/// The runtime's own function for its backtraces, which writes names the short way and knows C++'s as well. Unlike the
/// public `swift_demangle` it is not promised to stay: if it goes, the linker will say so.
@_silgen_name("_swift_backtrace_demangle")
private func demangle(
    _ name: UnsafePointer<CChar>,
    _ count: Int,
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ size: UnsafeMutablePointer<Int>?
) -> UnsafeMutablePointer<CChar>?
