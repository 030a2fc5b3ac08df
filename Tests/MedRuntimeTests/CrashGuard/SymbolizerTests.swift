// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedRuntime

@Suite struct SymbolizerTests {
    /// Runs a test on a file in a folder that is gone afterwards.
    private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        try withTemporaryPath { path in
            try Data(bytes).write(to: path)
            try body(path.path(percentEncoded: false))
        }
    }

    /// A process that has loaded one library.
    private func process(with library: String) -> LoadedImages {
        LoadedImages(
            maps: "10000-90000 r-xp 00000000 08:01 7    \(library)\n", mainImage: "/app/main", mainBuildID: nil)
    }

    /// The names that an own library gets for offsets, each looked up alone and exactly.
    private func names(_ offsets: [UInt], in library: String) -> [String] {
        let symbolizer = Symbolizer(images: self.process(with: library))
        return offsets.flatMap { symbolizer.names(for: [StackFrame(image: library, offset: $0)]) }
    }

    private var smallFile: SmallELFFile {
        SmallELFFile(symbols: [
            .init(name: "$s3app5DrillV4trap2ofySi_tF", start: 0x100, size: 0x40),
            .init(name: "_ZN3app5drillEi", start: 0x140, size: 0x10),
            .init(name: "plain", start: 0x200, size: 0x100),
            .init(name: "inner", start: 0x210, size: 0x10),
            .init(name: "alias", start: 0x210, size: 0x10),
            .init(name: "variable", start: 0x400, size: 0x10, type: 1),
            .init(name: "elsewhere", start: 0x500, size: 0x10, section: 0),
            .init(name: "$s3ap\u{1}", start: 0x600, size: 0x10),
            .init(name: String(repeating: "x", count: 5000), start: 0x700, size: 0x10),
            .init(name: "sizeless", start: 0x800, size: 0),
        ])
    }

    // MARK: This process

    @inline(never)
    private func ownReturnAddresses() -> [UInt] {
        Thread.callStackReturnAddresses.map(\.uintValue)
    }

    @Test func `a function of this test gets its name`() throws {
        let images = LoadedImages.current()
        let frames = self.ownReturnAddresses().compactMap(images.frame(of:))
        // They are return addresses, and the first frame of a stack is none.
        let names = Symbolizer(images: images).names(for: [StackFrame(image: "/nowhere", offset: 0)] + frames)
        #expect(names.contains { $0.contains("SymbolizerTests.ownReturnAddresses() + ") }, "\(names)")
    }

    @Test func `a function of the C library gets its name from the dynamic linker's table`() throws {
        let address = UInt(bitPattern: try #require(dlsym(nil, "getenv")))
        let images = LoadedImages.current()
        let frame = try #require(images.frame(of: address))
        #expect(Symbolizer(images: images).names(for: [frame]).first?.hasSuffix(": getenv + 0") == true)
    }

    @Test func `this process knows its executable and the build id of it`() throws {
        let images = LoadedImages.current()
        #expect(FileManager.default.isReadableFile(atPath: images.mainImage))
        #expect(images.mainBuildID == ELFFile(path: images.mainImage)?.buildID())
        #expect(images.mainBuildID?.isEmpty == false)
    }

    @Test func `an address outside of all code is no frame`() {
        #expect(LoadedImages.current().frame(of: 1) == nil)
        #expect(LoadedImages.current().frame(of: .max) == nil)
    }

    // MARK: What is loaded

    private static let maps = """
        1000-2000 r--p 00000000 08:01 7      /opt/my app/server
        2000-5000 r-xp 00001000 08:01 7      /opt/my app/server
        5000-6000 rw-p 00004000 08:01 7      /opt/my app/server
        6000-7000 rwxp 00000000 00:00 0
        7000-8000 r-xp 00000000 00:00 0      [vdso]
        a000-b000 r--p 00000000 08:01 8      /lib/old.so (deleted)
        b000-c000 r-xp 00001000 08:01 8      /lib/old.so (deleted)
        c000-d000 r-xp 00003000 08:01 9      /lib/part.so
        e000-f000 r-xp damaged
        """

    private func images(mainHasFixedAddress: Bool = false) -> LoadedImages {
        LoadedImages(
            maps: Self.maps,
            mainImage: "/opt/my app/server",
            mainBuildID: "ab",
            mainHasFixedAddress: mainHasFixedAddress
        )
    }

    @Test func `an address becomes a distance from where its image was loaded`() {
        let images = self.images()
        #expect(images.frame(of: 0x2345) == StackFrame(image: "/opt/my app/server", offset: 0x1345))
        #expect(images.frame(of: 0xB001) == StackFrame(image: "/lib/old.so", offset: 0x1001))
    }

    @Test(arguments: [0xFFF, 0x1500, 0x5000, 0x6500, 0x7500, 0x9000, 0xC500, 0xE500] as [UInt])
    func `data, code without a file and the unknown are no frames`(address: UInt) {
        #expect(self.images().frame(of: address) == nil)
    }

    @Test func `the addresses of an executable with a fixed address stay as they are`() {
        let images = self.images(mainHasFixedAddress: true)
        #expect(images.frame(of: 0x2345) == StackFrame(image: "/opt/my app/server", offset: 0x2345))
        #expect(images.frame(of: 0xB001) == StackFrame(image: "/lib/old.so", offset: 0x1001))
    }

    @Test func `only files that are loaded are opened, the executable through its link`() {
        let images = self.images()
        #expect(images.file(of: "/opt/my app/server") == "/proc/self/exe")
        #expect(images.file(of: "/lib/old.so") == nil)
        #expect(images.file(of: "/bin/sh") == nil)
    }

    // MARK: Names

    @Test func `Swift and C++ names are readable and others stay as they are`() throws {
        var file = self.smallFile
        try self.withFile(file.bytes()) { path in
            #expect(
                self.names([0x100, 0x13F, 0x140, 0x200], in: path) == [
                    "app: Drill.trap(of:) + 0", "app: Drill.trap(of:) + 63", "app: app::drill(int) + 0",
                    "app: plain + 0",
                ])
        }
    }

    @Test func `of two functions around an offset the inner one counts`() throws {
        var file = self.smallFile
        try self.withFile(file.bytes()) { path in
            #expect(
                self.names([0x20F, 0x210, 0x21F, 0x220], in: path) == [
                    "app: plain + 15", "app: inner + 0", "app: inner + 15", "app: plain + 32",
                ])
        }
    }

    @Test(arguments: [0, 0xFF, 0x150, 0x300, 0x400, 0x500, 0x600, 0x700, 0x800, 0x8_0000, .max] as [UInt])
    func `what no function of the file covers, or a damaged one, stays an offset`(offset: UInt) throws {
        var file = self.smallFile
        try self.withFile(file.bytes()) { path in
            #expect(self.names([offset], in: path) == ["app+0x\(String(offset, radix: 16))"])
        }
    }

    @Test func `a return address belongs to the call before it`() throws {
        var file = self.smallFile
        try self.withFile(file.bytes()) { path in
            let frames = [0x140, 0x140, 0, 0x100].map { StackFrame(image: path, offset: $0) }
            #expect(
                Symbolizer(images: self.process(with: path)).names(for: frames) == [
                    "app: app::drill(int) + 0", "app: Drill.trap(of:) + 64", "app+0x0", "app+0x100",
                ])
        }
    }

    @Test func `a file without its full table is looked up in the dynamic linker's`() throws {
        var file = self.smallFile
        file.tableType = 11
        try self.withFile(file.bytes()) { path in
            #expect(self.names([0x204], in: path) == ["app: plain + 4"])
        }
    }

    @Test func `a table of more than one piece is gone through to the end`() throws {
        var file = SmallELFFile(
            symbols: (0..<5000).map { .init(name: "function\($0)", start: 0x1000 + $0 * 16, size: 16) })
        try self.withFile(file.bytes()) { path in
            #expect(
                self.names([0x1000, 0x1000 + 2047 * 16, 0x1000 + 2048 * 16, 0x1000 + 4999 * 16], in: path) == [
                    "app: function0 + 0", "app: function2047 + 0", "app: function2048 + 0", "app: function4999 + 0",
                ])
        }
    }

    @Test func `many frames of several images keep their order`() throws {
        var file = self.smallFile
        try self.withFile(file.bytes()) { path in
            let frames = [0x204, 0x9, 0x145, 0x204].enumerated().map { index, offset in
                StackFrame(image: index == 1 ? "/lib/other.so" : path, offset: offset)
            }
            #expect(
                Symbolizer(images: self.process(with: path)).names(for: frames) == [
                    "app: plain + 4", "other.so+0x9", "app: app::drill(int) + 5", "app: plain + 4",
                ])
        }
    }

    @Test func `a stripped system program gives offsets`() throws {
        let path = try #require(
            ["/usr/bin/true", "/bin/true"].first { FileManager.default.isReadableFile(atPath: $0) })
        #expect(self.names([0x2000], in: path) == ["true+0x2000"])
    }

    @Test(arguments: ["", "/", "/lib/", "relative", "/tmp", "/dev/zero", "/lib/gone.so"])
    func `what is no image gives an offset`(image: String) {
        let expected = image.split(separator: "/").last ?? "?"
        #expect(self.names([16], in: image) == ["\(expected)+0x10"])
    }

    @Test func `a pipe in place of a library does not stop it`() throws {
        try self.withFile([]) { path in
            let pipe = path + ".pipe"
            try #require(mkfifo(pipe, 0o600) == 0)
            #expect(self.names([16], in: pipe) == ["app.pipe+0x10"])
        }
    }

    // MARK: A dead process

    /// A place in this executable.
    private func ownFrame(_ images: LoadedImages) throws -> StackFrame {
        let frames = Thread.callStackReturnAddresses.compactMap { images.frame(of: $0.uintValue) }
        return try #require(frames.first { $0.image == images.mainImage })
    }

    @Test func `a dead process of the same executable gets names wherever the file was`() throws {
        let images = LoadedImages.current()
        let symbolizer = Symbolizer(images: images, mainImage: "/old/server", mainBuildID: images.mainBuildID)
        let frame = StackFrame(image: "/old/server", offset: try self.ownFrame(images).offset)
        #expect(symbolizer.names(for: [frame]).first?.hasPrefix("server: ") == true)
    }

    @Test(arguments: [nil, "", "00"] as [String?])
    func `a dead process of another executable gets offsets`(buildID: String?) throws {
        let images = LoadedImages.current()
        let symbolizer = Symbolizer(images: images, mainImage: images.mainImage, mainBuildID: buildID)
        #expect(symbolizer.names(for: [try self.ownFrame(images)]).first?.contains("+0x") == true)
    }

    @Test func `another executable at another path says nothing about the one that runs now`() throws {
        let images = LoadedImages.current()
        let symbolizer = Symbolizer(images: images, mainImage: "/old/server", mainBuildID: "00")
        #expect(symbolizer.names(for: [try self.ownFrame(images)]).first?.contains("+0x") == true)
    }
}
