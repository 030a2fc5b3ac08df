// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MedTelemetry

@Suite struct LogOutputTests {
    @Test func `whole lines go out`() async throws {
        let pipe = try TestPipe()
        var output = LogOutput(fileDescriptor: pipe.writeEnd)
        #expect(output.write(Array("one\ntwo\n".utf8)) == 0)
        #expect(output.health == .working)
        pipe.closeWriteEnd()
        #expect(try await lines(pipe.read()) == ["one", "two"])
    }

    @Test func `a reader that left breaks the output for good, and the lines are counted`() throws {
        let pipe = try TestPipe()
        pipe.closeReadEnd()
        var output = LogOutput(fileDescriptor: pipe.writeEnd)
        #expect(output.write(Array("one\ntwo\n".utf8)) == 2)
        #expect(output.health == .broken)
        #expect(output.write(Array("three\n".utf8)) == 1)
    }

    @Test func `a descriptor that is not for writing breaks the output`() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        var output = LogOutput(fileDescriptor: descriptor)
        #expect(output.write(Array("one\n".utf8)) == 1)
        #expect(output.health == .broken)
    }

    @Test func `a full device loses lines but is tried again`() throws {
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        var output = LogOutput(fileDescriptor: descriptor)
        #expect(output.write(Array("one\ntwo\n".utf8)) == 2)
        #expect(output.health == .failing)
        #expect(output.write(Array("three\n".utf8)) == 1)
    }

    @Test func `a non-blocking pipe is waited for and long output arrives whole`() async throws {
        let pipe = try TestPipe()
        #expect(fcntl(pipe.writeEnd, F_SETFL, O_NONBLOCK) == 0)
        let sent = Array(repeating: "a line that is written in many parts\n", count: 50_000).joined()
        async let lost = onThread {
            var output = LogOutput(fileDescriptor: pipe.writeEnd)
            let lost = output.write(Array(sent.utf8))
            pipe.closeWriteEnd()
            return lost
        }
        let received = await pipe.read()
        #expect(await lost == 0)
        #expect(received == Array(sent.utf8))
    }

    @Test func `a line that broke off in the middle is ended before the next`() async {
        // A limit to the size of files fills up after five bytes, as a disk would; it holds for a whole process.
        await #expect(processExitsWith: .success) {
            signal(SIGXFSZ, SIG_IGN)
            let path = FileManager.default.temporaryDirectory.appending(path: "log-\(UUID()).txt")
                .path(percentEncoded: false)
            let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            defer { unlink(path) }
            var limit = rlimit(rlim_cur: 5, rlim_max: rlim_t.max)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            var output = LogOutput(fileDescriptor: descriptor)
            #expect(output.write(Array("one\ntwo\nthree\n".utf8)) == 2)
            #expect(output.health == .failing)

            limit.rlim_cur = rlim_t.max
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            #expect(output.write(Array("four\n".utf8)) == 0)
            #expect(output.health == .working)
            #expect(FileManager.default.contents(atPath: path) == Data("one\nt\nfour\n".utf8))
        }
    }

    @Test func `a signal in the middle of a write costs nothing`() async {
        // Signal handlers belong to the process, so this one gets its own.
        await #expect(processExitsWith: .success) {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in }
            sigaction(SIGUSR1, &action, nil)
            let pipe = try TestPipe()
            pipe.fill()

            async let lost = onThread {
                // A thread inherits what its creator blocks, and the cooperative pool blocks almost everything.
                var signals = sigset_t()
                sigaddset(&signals, SIGUSR1)
                pthread_sigmask(SIG_UNBLOCK, &signals, nil)
                // Interrupts this very thread while its write waits for room in the pipe.
                let thread = pthread_self()
                Thread.detachNewThread {
                    for _ in 0..<20 {
                        usleep(5000)
                        pthread_kill(thread, SIGUSR1)
                    }
                    Task { _ = await pipe.read() }
                }
                var output = LogOutput(fileDescriptor: pipe.writeEnd)
                let lost = output.write(Array("interrupted\n".utf8))
                // Outlives the signals.
                usleep(200_000)
                return output.health == .working ? lost : -1
            }
            #expect(await lost == 0)
        }
    }
}
