// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a drill could not be done. What went wrong in a drill that was done is in its report.
public struct DrillError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
