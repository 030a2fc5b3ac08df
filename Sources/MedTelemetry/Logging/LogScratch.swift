// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What one thread needs to build log lines without asking for memory: two buffers, and the time of the last line as
/// text.
///
/// Each thread that logs keeps one until it ends: 386 KiB of address space, of which only the pages that its longest
/// line needed are memory.
final class LogScratch {
    /// The longest line, and the field that made it too long: a key and a value, each as long as an escaped text can be.
    static let capacity = LogLine.maximumSize + 2 * (LogLine.Limit.escaped + 64) + 65_408

    /// The line that is being built. It is this object's alone, and freed with it.
    let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: LogScratch.capacity)
    /// Where its fields are written before they are sorted, and their places. Owned in the same way.
    let parts = UnsafeMutablePointer<UInt8>.allocate(capacity: LogScratch.capacity)
    let entries = LogFragments.allocate()
    /// The second since 1970 that ``date`` is the text of.
    var second = Int64.min
    /// `2025-10-27T05:34:00.` of the last line.
    var date: [UInt8] = []
    /// Whether the thread is building a line: a description that it asks for may log as well.
    private var isBusy = false
    /// Whether the thread is inside a sink, whose own lines are not for the sink.
    var isInSink = false

    deinit {
        self.buffer.deallocate()
        self.parts.deallocate()
        self.entries.deallocate()
    }

    /// Calls the body with the scratch of the calling thread, or with a new one when it is in use already.
    @inline(__always)
    static func withCurrent(_ body: (LogScratch) -> Void) {
        let scratch = self.current()
        guard !scratch.isBusy else { return body(LogScratch()) }
        scratch.isBusy = true
        body(scratch)
        scratch.isBusy = false
    }

    /// The scratch of the calling thread.
    @inline(__always)
    static func current() -> LogScratch {
        guard let key = self.key else {
            let scratch = LogScratch()
            // Nobody could tell that it is: better no sink than one that never comes to an end.
            scratch.isInSink = true
            return scratch
        }
        guard let pointer = pthread_getspecific(key) else {
            let scratch = LogScratch()
            // The thread owns this reference; the destructor of the key gives it back when the thread ends.
            pthread_setspecific(key, Unmanaged.passRetained(scratch).toOpaque())
            return scratch
        }
        // Put there by the lines above, and alive for as long as the thread.
        return Unmanaged<LogScratch>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Where each thread keeps its scratch; `nil` when the process has no key left, and every line pays for its own.
    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key) { pointer in
            guard let pointer else { return }
            // The one counterpart of `passRetained` above.
            Unmanaged<LogScratch>.fromOpaque(pointer).release()
        }
        return failure == 0 ? key : nil
    }()
}
