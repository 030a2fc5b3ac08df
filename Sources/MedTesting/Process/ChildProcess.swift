// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// A process started from nothing but what the test says: its environment, its folder, default signal handling, no
/// inherited descriptors.
package final class ChildProcess: Sendable {
    /// How a process ended.
    package enum Exit: Equatable, Sendable {
        /// It exited with a code.
        case code(Int32)
        /// A signal killed it.
        case signal(Int32)
    }

    private struct State {
        var exit: Exit?
        var isReaped = false
    }

    /// The process.
    package let identifier: pid_t
    let output: OutputCollector
    let errors: OutputCollector
    private let state = Watched(State())
    private let inputEnd: Int32?

    /// Starts `executable` (a path, or a name to look up in the `PATH` of `environment`) in `folder`.
    ///
    /// - Parameters:
    ///   - input: What it finds on its standard input (a few lines at most), which then stays open; `nil` for none.
    ///   - readsOutput: Without it nobody reads the standard output, whose pipe holds 4 KiB.
    ///   - lifetime: After so many seconds it is killed, if it still runs.
    package init(
        _ executable: String,
        _ arguments: [String],
        environment: [String: String],
        folder: URL,
        input: String? = nil,
        readsOutput: Bool = true,
        lifetime: Double = TestPatience.processSeconds
    ) throws {
        let started = try SpawnThread.shared.run {
            try Self.start(
                executable, arguments, environment: environment, folder: folder, input: input, readsOutput: readsOutput)
        }
        self.identifier = started.identifier
        self.inputEnd = started.input
        self.output = OutputCollector(descriptor: started.output, paused: !readsOutput)
        self.errors = OutputCollector(descriptor: started.errors, paused: false)
        self.reapWhenItEnds()
        self.kill(after: lifetime)
    }

    deinit { if let inputEnd { close(inputEnd) } }

    /// Sends a signal, unless the process has ended.
    package func send(_ signal: Int32) {
        self.state.read { state in
            // After the reaping the identifier may belong to somebody else.
            if !state.isReaped { _ = Foundation.kill(self.identifier, signal) }
        }
    }

    /// Waits until the process has ended, `seconds` at most.
    package func waitForExit(within seconds: Double = TestPatience.seconds) async throws -> Exit {
        try await self.state.wait(for: "process \(self.identifier) to end", within: seconds) {
            $0.isReaped ? $0.exit : nil
        }
    }

    /// Whether it has ended.
    package var hasEnded: Bool { self.state.read(\.isReaped) }

    /// Kills it if it still runs, and waits until it is gone.
    package func end() async throws {
        self.send(SIGKILL)
        self.output.resume()
        _ = try await self.waitForExit()
    }

    /// Everything it wrote to standard output so far.
    package var outputText: String { self.output.text }
    /// Everything it wrote to standard error so far.
    package var errorText: String { self.errors.text }

    /// Stops reading its standard output, whose pipe then fills.
    package func pauseReading() { self.output.pause() }

    /// Closes the reading end of its standard output, once it writes the next time.
    package func abandonReading() { self.output.abandon() }

    /// Waits until everything it wrote is read.
    package func waitForOutput() async throws {
        try await self.output.waitForEnd()
        try await self.errors.waitForEnd()
    }

    private func reapWhenItEnds() {
        let (identifier, state) = (self.identifier, self.state)
        Thread.detachNewThread {
            var information = siginfo_t()
            // First only looking, so that no signal can be sent to an identifier that is free again.
            while waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
            state.update { state in
                var status: Int32 = 0
                while waitpid(identifier, &status, 0) == -1 && errno == EINTR {}
                let signal = status & 0x7F
                state.exit = signal == 0 ? .code((status >> 8) & 0xFF) : .signal(signal)
                state.isReaped = true
            }
        }
    }

    private func kill(after seconds: Double) {
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [weak self] in
            self?.send(SIGKILL)
        }
    }

    private static func start(
        _ executable: String,
        _ arguments: [String],
        environment: [String: String],
        folder: URL,
        input: String?,
        readsOutput: Bool
    ) throws -> (identifier: pid_t, input: Int32?, output: Int32, errors: Int32) {
        let output = try Pipe(capacity: readsOutput ? nil : 4096)
        let errors = try Pipe()
        let source = try input.map(Pipe.init(holding:))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let source {
            posix_spawn_file_actions_adddup2(&actions, source.readEnd, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output.writeEnd, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.writeEnd, 2)
        defer {
            close(output.writeEnd)
            close(errors.writeEnd)
            if let source { close(source.readEnd) }
        }
        do {
            // `env` enters the folder, `setpriv` has the process die with us; both then become the executable.
            let launcher = ["/usr/bin/env", "-C", folder.path, "setpriv", "--pdeathsig", "KILL"]
            let identifier = try self.spawn(launcher + [executable] + arguments, environment, &actions)
            return (identifier, source?.writeEnd, output.readEnd, errors.readEnd)
        } catch {
            close(output.readEnd)
            close(errors.readEnd)
            if let source { close(source.writeEnd) }
            throw error
        }
    }

    /// Starts a process with default signal handling and nothing blocked.
    private static func spawn(
        _ arguments: [String],
        _ environment: [String: String],
        _ actions: inout posix_spawn_file_actions_t
    ) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let argumentPointers = arguments.map { strdup($0) } + [nil]
        let environmentPointers = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
        var identifier: pid_t = 0
        let result = posix_spawn(
            &identifier, arguments[0], &actions, &attributes, argumentPointers, environmentPointers)
        guard result == 0 else { throw HarnessError.system("Starting \(arguments[0])", result) }
        return identifier
    }
}

/// Both ends of a pipe, which no other process inherits.
private struct Pipe {
    let readEnd: Int32
    let writeEnd: Int32

    init(capacity: Int32? = nil) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw HarnessError.system("pipe", errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // 1031 is F_SETPIPE_SZ, which Swift's Glibc does not show.
        if let capacity { _ = fcntl(ends[0], 1031, capacity) }
        (self.readEnd, self.writeEnd) = (ends[0], ends[1])
    }

    /// A pipe that already holds `text`: written before there is a reader that could be gone.
    init(holding text: String) throws {
        try self.init()
        let bytes = Array(text.utf8)
        guard write(self.writeEnd, bytes, bytes.count) == bytes.count else { throw HarnessError.system("write", errno) }
    }
}
