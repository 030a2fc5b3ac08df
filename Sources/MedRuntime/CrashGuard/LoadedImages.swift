// MedBuilder
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The executable and the libraries of this process, to turn an instruction address into a ``StackFrame``.
///
/// It is read from `/proc/self/maps` rather than from the dynamic linker, whose lock a trapped thread may hold. Reading
/// it blocks, so it belongs on a plain thread. What is loaded later is not in it.
package struct LoadedImages: Sendable {
    struct Image: Sendable {
        /// As the kernel gives it, without its remark that the file is gone.
        let path: String
        let base: UInt
        /// The file can be opened where it was loaded from.
        let exists: Bool
    }

    private struct Code {
        let addresses: Range<UInt>
        let image: Int
    }

    private let images: [Image]
    private let code: [Code]
    /// The executable's path; empty where it is not known.
    package let mainImage: String
    /// The executable's build id in hexadecimal, if it was linked with one.
    package let mainBuildID: String?

    /// What is loaded now. Where `/proc` cannot be read there are no images.
    package static func current() -> LoadedImages {
        let maps = try? MemoryFiles(root: "/proc/self").text("maps")
        // The link leads to the running file even when another one has taken its place, as each deployment does.
        let executable = ELFFile(path: Self.executableLink)
        return LoadedImages(
            maps: maps ?? "",
            mainImage: Self.withoutRemark(Self.target(of: Self.executableLink)).path,
            mainBuildID: executable?.buildID(),
            mainHasFixedAddress: executable?.hasFixedAddress ?? false
        )
    }

    /// - Parameters:
    ///   - maps: The text of `/proc/self/maps`.
    ///   - mainHasFixedAddress: The executable's symbols hold addresses and not offsets.
    init(maps: String, mainImage: String, mainBuildID: String?, mainHasFixedAddress: Bool = false) {
        var images: [Image] = []
        var code: [Code] = []
        for line in maps.split(separator: "\n") {
            guard let mapping = Mapping(line) else { continue }
            let (path, exists) = Self.withoutRemark(mapping.path)
            if mapping.fileOffset == 0 {
                let isFixed = mainHasFixedAddress && path == mainImage
                images.append(Image(path: path, base: isFixed ? 0 : mapping.addresses.lowerBound, exists: exists))
            }
            if mapping.isExecutable, let image = images.last, image.path == path,
                image.base <= mapping.addresses.lowerBound
            {
                code.append(Code(addresses: mapping.addresses, image: images.count - 1))
            }
        }
        self.images = images
        self.code = code
        self.mainImage = mainImage
        self.mainBuildID = mainBuildID
    }

    /// The place that an address means; `nil` if no image has code there.
    package func frame(of address: UInt) -> StackFrame? {
        guard let code = self.code.first(where: { $0.addresses.contains(address) }) else { return nil }
        let image = self.images[code.image]
        return StackFrame(image: image.path, offset: address - image.base)
    }

    /// Where the file with the symbols of an image can be opened; `nil` if it is not loaded, or replaced.
    func file(of image: String) -> String? {
        if image == self.mainImage { return Self.executableLink }
        return self.images.contains { $0.path == image && $0.exists } ? image : nil
    }

    private static let executableLink = "/proc/self/exe"

    /// The kernel marks a file that was removed or replaced after it was loaded.
    private static func withoutRemark(_ path: String) -> (path: String, exists: Bool) {
        let remark = " (deleted)"
        return path.hasSuffix(remark) ? (String(path.dropLast(remark.count)), false) : (path, true)
    }

    private static func target(of link: String) -> String {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &path, path.count)
        return count > 0 ? String(decoding: path[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    }
}

extension LoadedImages {
    /// A line of `/proc/self/maps` that maps a file.
    private struct Mapping {
        let addresses: Range<UInt>
        let isExecutable: Bool
        let fileOffset: UInt
        let path: String

        init?(_ line: Substring) {
            // Addresses, permissions, offset, device, inode, path; only the path can hold blanks.
            let fields = line.split(separator: " ", maxSplits: 5)
            guard fields.count == 6 else { return nil }
            let bounds = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            let path = fields[5].drop { $0 == " " }
            guard bounds.count == 2, bounds[0] < bounds[1], path.hasPrefix("/"),
                let fileOffset = UInt(fields[2], radix: 16)
            else { return nil }
            self.addresses = bounds[0]..<bounds[1]
            self.isExecutable = fields[1].contains("x")
            self.fileOffset = fileOffset
            self.path = String(path)
        }
    }
}
