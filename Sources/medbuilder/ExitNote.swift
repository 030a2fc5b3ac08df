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
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "exit-note")

    /// Opens the file and reports what the last process left in it. A second process in the same folder goes without.
    init(folder: String, logger: Logger) {
        mkdir(folder, 0o700)
        let file = open(folder + "/last-exit", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0, flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = String(cString: strerror(errno))
            if file >= 0 { close(file) }
            self.descriptor = -1
            logger.warning(
                "No file for last words", metadata: ["file.directory": "\(folder)", "error.message": "\(reason)"])
            return
        }
        self.descriptor = file
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        logger.warning("The last shutdown was not logged to its end", metadata: ["shutdown.receipt": "\(text)"])
        self.erase()
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
        _ = done.wait(timeout: .now() + .nanoseconds(Int(timeout / .nanoseconds(1))))
    }

    private func write(_ text: String) {
        guard self.descriptor >= 0 else { return }
        self.queue.async { [descriptor] in
            ftruncate(descriptor, 0)
            _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
        }
    }
}
