// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A place in the code that still means something after the process is gone: the next start loads the same file
/// somewhere else.
package struct StackFrame: Sendable, Equatable {
    /// The path of the executable or library.
    package var image: String
    /// The distance from where the image was loaded.
    package var offset: UInt

    package init(image: String, offset: UInt) {
        self.image = image
        self.offset = offset
    }
}
