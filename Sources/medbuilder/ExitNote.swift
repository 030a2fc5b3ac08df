// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MedRuntime

/// A file, opened in advance, that says how far a shutdown has come. It is empty unless one began and its end could not be
/// logged: because the log was stuck, or because the process was killed in the middle. The next start reports it.
struct ExitNote: Sendable {
    private let descriptor: Int32

    /// Opens the file and reports what the last process left in it.
    init(folder: String, logger: Logger) {
        mkdir(folder, 0o700)
        self.descriptor = open(folder + "/last-exit", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard self.descriptor >= 0 else {
            logger.warning(
                "No file for last words",
                metadata: ["file.directory": "\(folder)", "error.message": "\(String(cString: strerror(errno)))"]
            )
            return
        }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(self.descriptor, &bytes, bytes.count)
        guard count > 0 else { return }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        logger.warning("The last shutdown could not be logged", metadata: ["shutdown.receipt": "\(text)"])
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
    func erase() {
        if self.descriptor >= 0 { ftruncate(self.descriptor, 0) }
    }

    private func write(_ text: String) {
        guard self.descriptor >= 0 else { return }
        self.erase()
        _ = text.withCString { pwrite(self.descriptor, $0, strlen($0), 0) }
    }
}
