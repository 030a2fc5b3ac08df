// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Logging
import MedRuntime

/// A file, opened in advance, that says how far a shutdown has come. It is empty unless one began and its end could not be
/// logged: because the log was stuck, or because the process was killed in the middle. The next start reports it.
///
/// It is written on a queue of its own: a disk that hangs must not hold up a shutdown.
struct ExitNote: Sendable {
    private let file: ReservedFile?
    private let queue = DispatchQueue(label: "exit-note")

    /// Opens the file and reports what the last process left in it. A second process in the same folder goes without.
    init(folder: String, logger: Logger) {
        self.file = ReservedFile(path: folder + "/last-exit", logger: logger)
        guard let text = self.file?.take(), !text.isEmpty else { return }
        logger.warning("The last shutdown was not logged to its end", metadata: ["shutdown.receipt": "\(text)"])
    }

    /// A shutdown has begun.
    func leaveBeginning() { self.write("began, and did not end") }

    /// A shutdown has ended.
    func leave(_ receipt: ShutdownReceipt) {
        self.write(
            "\(receipt.trigger.rawValue) \(receipt.outcome.rawValue) exit=\(receipt.exitCode) "
                + "in_flight=\(receipt.inFlightAtStart) cancelled=\(receipt.cancelled) abandoned=\(receipt.abandoned) "
                + "seconds=\(receipt.duration / .seconds(1))"
        )
    }

    /// The log has it all.
    func erase() { self.write("") }

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
