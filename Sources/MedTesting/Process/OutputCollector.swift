// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a process wrote to one of its outputs, read by a thread of its own so that the process never waits for a test.
final class OutputCollector: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var isPaused = false
        var isAbandoned = false
        var isAtEnd = false
    }

    private let state = Watched(State())

    /// Reads `descriptor`, and owns it from here on.
    init(descriptor: Int32, paused: Bool) {
        self.state.update { $0.isPaused = paused }
        let state = self.state
        Thread.detachNewThread {
            var chunk = [UInt8](repeating: 0, count: 65536)
            while true {
                Self.waitWhilePaused(state)
                let count = read(descriptor, &chunk, chunk.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { break }
                let goesOn = state.update { state in
                    state.bytes += chunk[..<count]
                    return !state.isAbandoned
                }
                if !goesOn { break }
            }
            close(descriptor)
            state.update { $0.isAtEnd = true }
        }
    }

    private static func waitWhilePaused(_ state: Watched<State>) {
        // A pause that outlasts all patience ends: the process is long gone by then.
        try? state.block(for: "reading to go on") { $0.isPaused ? nil : () }
    }

    /// Everything so far.
    var text: String { self.state.read { String(decoding: $0.bytes, as: UTF8.self) } }

    /// The complete lines so far, and at the end of the output the incomplete one.
    var lines: [String] { self.state.read(Self.lines(of:)) }

    /// The complete lines so far: a process that is killed may leave half a one.
    var completeLines: [String] {
        self.state.read { state in
            state.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
                .map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private static func lines(of state: State) -> [String] {
        var lines = state.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let last = lines.removeLast()
        if state.isAtEnd && !last.isEmpty { lines.append(last) }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Stops reading (what is being read at this moment still comes): the pipe fills, and the writer's `write` blocks.
    func pause() { self.state.update { $0.isPaused = true } }

    /// Reads on.
    func resume() { self.state.update { $0.isPaused = false } }

    /// Closes this end of the pipe with the next piece that comes: whoever writes afterwards gets EPIPE.
    func abandon() { self.state.update { $0.isAbandoned = true } }

    /// Waits until `body` finds what it looks for among the lines; `nil` once the output has ended without it.
    func wait<Found: Sendable>(for what: String, until body: @escaping @Sendable ([String]) -> Found?) async throws
        -> Found?
    {
        try await self.state.wait(for: what) { state -> Found?? in
            if let found = body(Self.lines(of: state)) { return .some(found) }
            return state.isAtEnd ? .some(nil) : nil
        }
    }

    /// Waits until the writer has closed its end and everything is read.
    func waitForEnd() async throws {
        try await self.state.wait(for: "the end of the output") { $0.isAtEnd ? () : nil }
    }
}
