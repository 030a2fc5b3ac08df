// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The ways in which Swift code stops itself, for ``DrillRoutes``.
///
/// Each is a real one, on values that the compiler cannot know, not a stand-in.
enum DrillTrap: String, CaseIterable {
    case `nil`
    case index
    case overflow
    case fatal
    case `try`
    case precondition
    case `deinit`

    /// An object that does not survive its own end.
    private final class Fragile {
        deinit { DrillTrap.nil.spring() }
    }

    /// Traps; it returns only to the compiler.
    @inline(never)
    func spring() {
        switch self {
        case .nil:
            Self.unwrapNothing()
        case .index:
            let numbers = Self.unknown([1, 2, 3])
            _ = Self.unknown(numbers[Self.unknown(3)])
        case .overflow:
            _ = Self.unknown(Self.unknown(Int.max) + Self.unknown(1))
        case .fatal:
            // Stands for what must not be read in a log of production.
            fatalError("drill: patient Ada Lovelace, born 1815-12-10")
        case .try:
            Self.tryInVain()
        case .precondition:
            Swift.precondition(Self.unknown(false), "drill: a condition does not hold")
        case .deinit:
            var fragile: Fragile? = Self.unknown(Fragile())
            fragile = Self.unknown(nil)
            _ = fragile
        }
    }

    private static func unwrapNothing() {
        let nothing: Int? = Self.unknown(nil)
        // swift-format-ignore: NeverForceUnwrap
        _ = Self.unknown(nothing!)  // Meant to trap.
    }

    private static func tryInVain() {
        // swift-format-ignore: NeverUseForceTry
        try! Self.fail()  // Meant to trap.
    }

    private static func fail() throws { throw DrillRoutes.Failure() }

    /// The same value, of which the optimizer knows nothing.
    @inline(never)
    @_optimize(none)
    private static func unknown<Value>(_ value: Value) -> Value { value }
}

/// Crashes that nobody can survive.
enum DrillCrash {
    /// Writes to where there is no memory.
    static func corrupt() {
        // Meant to crash; address 8 is never mapped.
        UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
    }

    /// Calls itself until the stack is used up.
    @inline(never)
    static func overflowStack(depth: Int = 0) -> Int {
        depth < 0 ? 0 : Self.overflowStack(depth: depth + 1) + depth % 3
    }
}
