// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// What the writer thread of a ``LogPump`` has to itself: the output, the spill file, and the chunk that is on its way.
///
/// Errors are in the spill file in the order in which they wait in the queue: first those of the chunk that is on its way,
/// then those of the chunks behind it, then those that left the queue for it. A line leaves the file when it is written;
/// so whatever is in the file at the end of the process was not delivered, and whatever was delivered is not in the file.
final class LogDrain {
    private let pump: LogPump
    private var output: LogOutput
    private var file: LogSpillFile?
    /// Lines at the beginning of the file that wait in no chunk: they are written before anything else.
    private var dueFromFile = 0
    /// How many of these are of the last run, and how many of those were no lines.
    private var recovered: (lines: Int, damaged: Int)?
    /// Of the last run, still to be written.
    private var recoverable = 0

    private var chunk = LogQueue.Chunk()
    /// Which errors of the chunk are in the file.
    private var inFile = 0..<0
    private var hasFailedToSpill = false

    init(pump: LogPump, fileDescriptor: Int32) {
        self.pump = pump
        self.output = LogOutput(fileDescriptor: fileDescriptor)
    }

    var health: LogOutput.Health { self.output.health }

    /// Opens the file, and writes what the last run left in it.
    func openSpillFile(_ path: String, limit: Int) {
        do throws(LogSpillFile.Failure) {
            let file = try LogSpillFile(path: path, limit: limit)
            self.file = file
            self.dueFromFile = file.lineCount
            self.recoverable = file.lineCount
            let damaged = file.wasCutShort ? 1 : 0
            if file.lineCount + damaged > 0 { self.recovered = (0, damaged) }
        } catch {
            self.pump.spillIsUnusable(error.reason, forGood: true)
            return
        }
        self.writeDueLines()
    }

    // MARK: Writing

    func write(_ entry: LogQueue.Entry) {
        self.dueFromFile += entry.spilledLineCount
        self.writeDueLines()
        if entry.spilledLineCount > 0 {
            self.pump.withQueue { $0.finishSpilled(lineCount: entry.spilledLineCount, lostLineCount: 0) }
            return
        }
        self.chunk = entry.chunk
        self.inFile = 0..<self.chunk.securedCount
        let lost = self.output.write(self.chunk.bytes) { written in
            self.delivered(errorCount: self.chunk.errorCount(endingWithin: written))
            self.pump.waitForOutput { self.secure(writtenBytes: written) }
        }
        self.delivered(errorCount: self.chunk.errors.count - self.chunk.errorCount(amongLast: lost))
        if lost > 0 {
            // A reader that left takes nothing any more: the next start writes what can still be kept. A disk that is full may have room
            // again: then this process does.
            self.secure(writtenBytes: self.chunk.size(ofLinesBeforeLast: lost))
            self.dueFromFile += self.inFile.count
        }
        let kept = self.inFile.count
        self.inFile = 0..<0
        self.pump.withQueue { $0.finish(&self.chunk, lostLineCount: lost, keptCount: kept) }
    }

    /// So many errors of the chunk, from its first, are written: they need no place in the file.
    private func delivered(errorCount: Int) {
        let count = min(errorCount, self.inFile.upperBound) - self.inFile.lowerBound
        guard count > 0 else { return }
        self.inFile = self.inFile.lowerBound + count..<self.inFile.upperBound
        self.remove(count)
    }

    private func remove(_ lineCount: Int) {
        guard let file = self.file else { return }
        file.remove(lineCount: lineCount)
        if file.lineCount == 0 { self.pump.blockSpill(false) }
    }

    /// Writes the lines at the beginning of the file that wait in no chunk, as far as the output takes them.
    private func writeDueLines() {
        while self.dueFromFile > 0, let file = self.file, self.output.health != .broken {
            let lines: (bytes: [UInt8], lineCount: Int, damagedCount: Int)
            do throws(LogSpillFile.Failure) {
                lines = try file.oldest(atMost: self.dueFromFile)
            } catch {
                // They cannot be read, now or later.
                self.pump.spillIsUnusable(error.reason, forGood: false)
                self.pump.withQueue { [dueFromFile] in $0.finishSpilled(lineCount: 0, lostLineCount: dueFromFile) }
                self.remove(self.dueFromFile)
                self.dueFromFile = 0
                return
            }
            var removed = 0
            let lost = self.output.write(lines.bytes) { written in
                // Line by line, so that a stop in the middle leaves only what is not written.
                let done = lines.bytes[..<written].count { $0 == UInt8(ascii: "\n") }
                if lines.damagedCount == 0 {
                    self.wereWritten(done - removed, damaged: 0)
                    removed = done
                }
                self.pump.waitForOutput { self.secure() }
            }
            if lost > 0 {
                if lines.damagedCount == 0 { self.wereWritten(lines.lineCount - lost - removed, damaged: 0) }
                return
            }
            self.wereWritten(lines.lineCount - removed, damaged: lines.damagedCount)
        }
        guard let recovered = self.recovered, self.recoverable == 0 else { return }
        self.recovered = nil
        self.pump.recovered(recovered.lines, damaged: recovered.damaged)
    }

    private func wereWritten(_ lineCount: Int, damaged: Int) {
        guard lineCount > 0 else { return }
        self.dueFromFile -= lineCount
        self.remove(lineCount)
        let old = min(lineCount, self.recoverable)
        guard old > 0 else { return }
        self.recoverable -= old
        self.recovered?.lines += old - damaged
        self.recovered?.damaged += damaged
    }

    func writeNotices() {
        guard self.output.health == .working, let due = self.pump.dueNotices() else { return }
        // The lines are built and written without the lock.
        let lines = due.notices.flatMap { due.line($0) + [UInt8(ascii: "\n")] }
        guard self.output.write(lines, wait: { _ in self.pump.waitForOutput { self.secure() } }) == 0 else { return }
        self.pump.reported(due.notices.count, dropped: due.dropped, errors: due.errors)
    }

    // MARK: The spill file

    /// Moves the errors that wait to the file, in their order: those of the chunk on its way that are not among the bytes
    /// written, then those of the queue.
    ///
    /// - Returns: whether the file took them all. More may have come since.
    @discardableResult
    func secure(writtenBytes: Int = 0) -> Bool {
        guard self.file != nil else { return false }
        let written = self.chunk.errorCount(endingWithin: writtenBytes)
        if self.chunk.securedCount < written { self.chunk.securedCount = written }
        let count = self.chunk.errors.count - self.chunk.securedCount
        if count > 0 {
            guard self.spill(self.chunk.unsecuredErrors(), lineCount: count) else { return false }
            let first = self.inFile.isEmpty ? self.chunk.securedCount : self.inFile.lowerBound
            self.chunk.securedCount += count
            self.inFile = first..<self.chunk.securedCount
        }
        while let next = self.pump.withQueue({ $0.nextToSecure() }) {
            guard self.spill(next.bytes, lineCount: next.lineCount) else { return false }
            self.pump.withQueue { $0.secured(next.lineCount, ofEntryAt: next.index) }
        }
        return true
    }

    private func spill(_ lines: [UInt8], lineCount: Int) -> Bool {
        guard let file = self.file else { return false }
        do throws(LogSpillFile.Refusal) {
            try file.append(lines)
            self.pump.spilled(lineCount)
            self.hasFailedToSpill = false
            return true
        } catch {
            // Nothing is asked of it again before it is empty, or a flush wants to know.
            self.pump.blockSpill(true)
            if case .failed(let reason) = error, !self.hasFailedToSpill {
                self.hasFailedToSpill = true
                self.pump.spillIsUnusable(reason, forGood: false)
            }
            return false
        }
    }
}
