// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Glibc
import MedPrivacy
import Testing

@Suite struct DevelopmentKeyFileTests {
    static let text = PHIKeyTests.text

    private func mode(of path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    private func write(_ text: String, to path: String, mode: mode_t = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        try #require(chmod(path, mode) == 0)
    }

    private func failure(in folder: String) -> DevelopmentKeyFileError? {
        let file = DevelopmentKeyFile(folder: folder)
        let error = #expect(throws: DevelopmentKeyFileError.self) { try file.loadOrCreate() }
        #expect(error?.description.contains("'\(file.path)'") == true)
        return error
    }

    // MARK: Making a key

    @Test func `the first start makes the key and later ones find it`() throws {
        let folder = try TemporaryFolder()
        let state = folder.path + "/a/b/.medbuilder"
        let key = try DevelopmentKeyFile(folder: state).loadOrCreate()

        #expect(try String(contentsOfFile: state + "/phi.key", encoding: .utf8) == key.base64ForKeyFile() + "\n")
        #expect(try DevelopmentKeyFile(folder: state).loadOrCreate() == key)
        #expect(try FileManager.default.contentsOfDirectory(atPath: state) == ["phi.key"])
    }

    @Test func `the folder is closed to others, its parents are as the umask says`() async {
        await #expect(processExitsWith: .success) {
            umask(0o022)
            let folder = try TemporaryFolder()
            _ = try DevelopmentKeyFile(folder: folder.path + "/a/.medbuilder").loadOrCreate()
            let tests = DevelopmentKeyFileTests()
            #expect(tests.mode(of: folder.path + "/a") == 0o755)
            #expect(tests.mode(of: folder.path + "/a/.medbuilder") == 0o700)
        }
    }

    @Test func `the file has mode 0600 whatever the umask`() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            for mask in [0, 0o777] as [mode_t] {
                umask(0)
                try FileManager.default.createDirectory(
                    atPath: folder.path + "/\(mask)", withIntermediateDirectories: true
                )
                umask(mask)
                _ = try DevelopmentKeyFile(folder: folder.path + "/\(mask)").loadOrCreate()
                #expect(DevelopmentKeyFileTests().mode(of: folder.path + "/\(mask)/phi.key") == 0o600)
            }
        }
    }

    @Test func `an existing folder keeps its mode`() throws {
        let folder = try TemporaryFolder()
        try #require(chmod(folder.path, 0o755) == 0)
        _ = try DevelopmentKeyFile(folder: folder.path).loadOrCreate()
        #expect(self.mode(of: folder.path) == 0o755)
    }

    @Test func `a folder with a slash at its end is the same folder`() throws {
        let folder = try TemporaryFolder()
        let key = try DevelopmentKeyFile(folder: folder.path + "/new/").loadOrCreate()
        #expect(try DevelopmentKeyFile(folder: folder.path + "/new").loadOrCreate() == key)
    }

    @Test func `an empty folder name is the working directory`() {
        #expect(DevelopmentKeyFile(folder: "").path == "./phi.key")
    }

    @Test func `threads that start at once get the same key`() throws {
        for _ in 0..<20 {
            let folder = try TemporaryFolder()
            let state = folder.path + "/.medbuilder"
            DispatchQueue.concurrentPerform(iterations: 16) { number in
                do {
                    let key = try DevelopmentKeyFile(folder: state).loadOrCreate()
                    try self.write(key.base64ForKeyFile() + "\n", to: state + "/got-\(number)")
                } catch {
                    Issue.record(error)
                }
            }
            try self.expectOneKey(in: state, copies: 16)
        }
    }

    @Test func `processes that start at once get the same key`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        await withTaskGroup { group in
            for number in 0..<4 {
                group.addTask {
                    await #expect(processExitsWith: .success) { [path = path as String, number = number as Int] in
                        let tests = DevelopmentKeyFileTests()
                        for round in 0..<50 {
                            // All wait for the last, unless it died; else the first is done before the others begin.
                            try tests.write("", to: path + "/ready-\(round)-\(number)")
                            let all = (0..<4).map { path + "/ready-\(round)-\($0)" }
                            let limit = ContinuousClock.now + .seconds(10)
                            while !all.allSatisfy({ access($0, F_OK) == 0 }), .now < limit { sched_yield() }
                            let state = path + "/state-\(round)"
                            let key = try DevelopmentKeyFile(folder: state).loadOrCreate()
                            try tests.write(key.base64ForKeyFile() + "\n", to: state + "/got-\(number)")
                        }
                    }
                }
            }
        }
        for round in 0..<50 {
            try self.expectOneKey(in: path + "/state-\(round)", copies: 4)
        }
    }

    private func expectOneKey(in state: String, copies: Int) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: state).sorted()
        #expect(names == (["phi.key"] + (0..<copies).map { "got-\($0)" }).sorted())
        let contents = try names.map { try String(contentsOfFile: state + "/" + $0, encoding: .utf8) }
        #expect(Set(contents).count == 1)
    }

    // MARK: What is there already

    @Test func `a key that someone else put there is used`() throws {
        let folder = try TemporaryFolder()
        try self.write(Self.text, to: folder.path + "/phi.key", mode: 0o400)
        #expect(try DevelopmentKeyFile(folder: folder.path).loadOrCreate() == PHIKey(base64: Self.text))
    }

    @Test func `a link to a key is followed`() throws {
        let folder = try TemporaryFolder()
        try self.write(Self.text, to: folder.path + "/elsewhere")
        try #require(symlink("elsewhere", folder.path + "/phi.key") == 0)
        #expect(try DevelopmentKeyFile(folder: folder.path).loadOrCreate() == PHIKey(base64: Self.text))
    }

    @Test(arguments: [
        "", "\n", "not a key", "AAECAwQFBgcICQoLDA0ODw==\n", text + "\n" + text + "\n",
        String(repeating: "A", count: 100_000),
    ])
    func `a file that is not a key is an error and stays`(content: String) throws {
        let folder = try TemporaryFolder()
        try self.write(content, to: folder.path + "/phi.key")
        let error = self.failure(in: folder.path)

        #expect(error?.code == .notAKey)
        #expect(error?.description.contains("restore it from a backup") == true)
        #expect(content.count < 9 || error?.description.contains(content) == false)
        #expect(try String(contentsOfFile: folder.path + "/phi.key", encoding: .utf8) == content)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["phi.key"])
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644] as [mode_t])
    func `a file open to others is an error that says how to close it`(mode: mode_t) throws {
        let folder = try TemporaryFolder()
        try self.write(Self.text, to: folder.path + "/phi.key", mode: mode)
        let error = self.failure(in: folder.path)

        #expect(error?.code == .notPrivate)
        #expect(error?.description.contains("chmod 600 '\(folder.path)/phi.key'") == true)
        #expect(self.mode(of: folder.path + "/phi.key") == mode)
    }

    @Test func `a folder in the file's place is an error`() throws {
        let folder = try TemporaryFolder()
        try #require(mkdir(folder.path + "/phi.key", 0o700) == 0)
        #expect(self.failure(in: folder.path)?.code == .notAFile)
    }

    @Test func `a pipe in the file's place is an error and nobody waits for it`() throws {
        let folder = try TemporaryFolder()
        try #require(mkfifo(folder.path + "/phi.key", 0o600) == 0)
        #expect(self.failure(in: folder.path)?.code == .notAFile)
    }

    @Test func `a link to nothing is an error and nothing is made`() throws {
        let folder = try TemporaryFolder()
        try #require(symlink("elsewhere", folder.path + "/phi.key") == 0)
        let error = self.failure(in: folder.path)

        #expect(error?.code == .notAFile)
        #expect(error?.description.contains("symbolic link") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["phi.key"])
    }

    @Test func `a link to itself is an error`() throws {
        let folder = try TemporaryFolder()
        try #require(symlink("phi.key", folder.path + "/phi.key") == 0)
        #expect(self.failure(in: folder.path)?.code == .unreadable)
    }

    @Test func `a file that may not be read is an error`() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            let tests = DevelopmentKeyFileTests()
            try tests.write(DevelopmentKeyFileTests.text, to: folder.path + "/phi.key", mode: 0)
            try #require(chmod(folder.path, 0o755) == 0)
            // Root may read everything, so this process becomes nobody for a moment.
            let isRoot = geteuid() == 0
            if isRoot { try #require(seteuid(65_534) == 0) }
            defer { if isRoot { _ = seteuid(0) } }
            #expect(tests.failure(in: folder.path)?.code == .unreadable)
        }
    }

    @Test func `a folder that may not be written is an error`() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            try #require(chmod(folder.path, 0o555) == 0)
            let isRoot = geteuid() == 0
            if isRoot { try #require(seteuid(65_534) == 0) }
            defer { if isRoot { _ = seteuid(0) } }
            let error = DevelopmentKeyFileTests().failure(in: folder.path)
            #expect(error?.code == .notCreated)
            #expect(error?.description.contains("cannot be written to: Permission denied") == true)
        }
    }

    @Test func `a folder that cannot be made is an error`() throws {
        #expect(self.failure(in: "/proc/medbuilder/state")?.code == .notCreated)
    }

    @Test func `a file in the folder's place is an error`() throws {
        let folder = try TemporaryFolder()
        try self.write("", to: folder.path + "/state")
        #expect(self.failure(in: folder.path + "/state")?.code == .unreadable)
    }
}
