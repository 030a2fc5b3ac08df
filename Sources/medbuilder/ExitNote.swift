// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Logging
import MedRuntime
import MedServer
import Synchronization

/// A file, opened in advance, that says how far a shutdown has come. It is empty unless one began and its end could not be logged and
/// recorded: because the log was stuck, because the database was away, or because the process was killed in the middle. The next start
/// reports it.
///
/// It is written on a queue of its own: a disk that hangs must not hold up a shutdown.
final class ExitNote: Sendable {
    /// What the last process left in it, if it can be read.
    let last: ShutdownRecord?
    private let instance: String
    private let file: ReservedFile?
    private let queue = DispatchQueue(label: "exit-note")
    private let isRecorded = Atomic(false)
    /// In front of a record that was logged, and only lacks its row.
    private static let loggedMark = "logged "

    /// Opens the file and reports what the last process left in it. A second process in the same folder goes without.
    ///
    /// - Parameter instance: which process this is.
    init(folder: String, instance: String, logger: Logger) {
        self.instance = instance
        self.file = ReservedFile(path: folder + "/last-exit", logger: logger)
        let text = self.file?.take() ?? ""
        let isLogged = text.hasPrefix(Self.loggedMark)
        self.last = ShutdownRecord(isLogged ? String(text.dropFirst(Self.loggedMark.count)) : text)
        guard !text.isEmpty, !isLogged else { return }
        logger.warning("The last shutdown was not logged to its end", metadata: ["shutdown.receipt": "\(text)"])
    }

    /// A shutdown has begun.
    func leaveBeginning(_ receipt: ShutdownReceipt) {
        self.write(ShutdownRecord(beginning: receipt, of: self.instance).description)
    }

    /// A shutdown has ended.
    func leave(_ receipt: ShutdownReceipt) { self.write(ShutdownRecord(receipt, of: self.instance).description) }

    /// The database has the record.
    func isInDatabase() { self.isRecorded.store(true, ordering: .relaxed) }

    /// The log has it all.
    func isLogged(_ receipt: ShutdownReceipt) {
        // A row that was written before the end may say less than the end does.
        if self.isRecorded.load(ordering: .relaxed), receipt.outcome != .forced, receipt.outcome != .secondSignal {
            self.write("")
        } else {
            self.write(Self.loggedMark + ShutdownRecord(receipt, of: self.instance).description)
        }
    }

    /// Waits until all this is on its way to the disk.
    func finish(timeout: Duration) {
        let done = DispatchSemaphore(value: 0)
        self.queue.async { done.signal() }
        _ = done.wait(timeout: .now() + timeout.dispatchInterval)
    }

    private func write(_ text: String) {
        guard let file else { return }
        self.queue.async {
            ftruncate(file.descriptor, 0)
            _ = text.withCString { pwrite(file.descriptor, $0, strlen($0), 0) }
        }
    }
}
