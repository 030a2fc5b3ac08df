// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The exit codes of the `medbuilder` executable, so that an orchestrator can tell what happened.
///
/// 64, 69, 70 and 78 are those of BSD's `sysexits.h`.
public enum ExitCode {
    /// Everything that was accepted was finished.
    public static let graceful: Int32 = 0
    /// The deadline passed before everything was finished.
    public static let forced: Int32 = 1
    /// A second signal asked not to wait.
    public static let secondSignal: Int32 = 2
    /// The command line could not be understood (`EX_USAGE`).
    public static let usage: Int32 = 64
    /// The port is taken, or a service that a command needs is unavailable (`EX_UNAVAILABLE`).
    public static let unavailable: Int32 = 69
    /// A fatal error was contained and the shutdown ran (`EX_SOFTWARE`).
    public static let containedFailure: Int32 = 70
    /// The settings are wrong (`EX_CONFIG`).
    public static let configuration: Int32 = 78
}
