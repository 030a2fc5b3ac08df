// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The names of the signals that a crash can have.
enum SignalName {
    static func of(_ number: Int32) -> String {
        switch number {
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGSEGV: "SIGSEGV"
        case SIGSYS: "SIGSYS"
        default: "signal \(number)"
        }
    }
}
