// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// What the signal handler of a process that crashed has left behind: a line for each field, `name=value`, and for each
/// frame of the stack, innermost first. There is nothing in it that was in the process's memory.
///
///     crash record 1
///     build_id=469111d17bb098866058a855fa962cc8f77a58c4
///     signal=11
///     …
///     frame=1a2b30 /usr/bin/medbuilder
///     end
struct CrashRecord {
    private var fields: [Substring: Substring] = [:]
    private var frames: [StackFrame] = []
    /// Whether it was written to its end.
    private let isComplete: Bool

    init(_ text: String) {
        let lines = text.split(separator: "\n")
        self.isComplete = lines.last == "end"
        for line in lines {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            if parts[0] == "frame" {
                let frame = parts[1].split(separator: " ", maxSplits: 1)
                guard let offset = frame.first.flatMap({ UInt($0, radix: 16) }) else { continue }
                self.frames.append(StackFrame(image: frame.count == 2 ? String(frame[1]) : "?", offset: offset))
            } else {
                self.fields[parts[0]] = parts[1]
            }
        }
    }

    /// Says what happened, with the names of the functions if this is still the program that crashed.
    func log(to logger: Logger) {
        var metadata: Logger.Metadata = ["crash.complete": "\(self.isComplete)"]
        if let signal = self.fields["signal"].flatMap({ Int32($0) }) {
            metadata["error.type"] = "\(SignalName.of(signal))"
        }
        for (name, key) in [
            ("code", "crash.signal_code"), ("thread", "process.thread.id"), ("thread_name", "process.thread.name"),
            ("in_flight", "crash.in_flight"), ("build_id", "crash.build_id"), ("uptime_ms", "crash.uptime_ms"),
        ] {
            metadata[key] = self.fields[name[...]].map { "\($0)" }
        }
        let images = LoadedImages.current()
        let buildID = self.fields["build_id"].map(String.init)
        // The same program may lie elsewhere now.
        let program = self.fields["program"].map(String.init) ?? images.mainImage
        let symbolizer = Symbolizer(images: images, mainImage: program, mainBuildID: buildID)
        let lines = StackTrace.lines(symbolizer.names(for: self.frames))
        metadata["error.stack_trace"] = "\(lines.joined(separator: "\n"))"
        logger.critical("The last process crashed", metadata: metadata)
    }
}
