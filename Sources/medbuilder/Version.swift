// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The version of this program, as `--version`, the log and the changelog name it.
enum Version {
    static let current = "0.1.0"
}
