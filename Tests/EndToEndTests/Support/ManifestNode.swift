// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTesting
import Yams

/// A part of a manifest, whose scalars are text.
///
/// A path names members of maps, and elements of lists by their number or by their own `name`: `spec/ports/http/targetPort`.
enum ManifestNode: Sendable, Equatable {
    case scalar(String)
    case list([ManifestNode])
    case map([String: ManifestNode])

    init(_ node: Node) throws {
        if let scalar = node.scalar {
            self = .scalar(scalar.string)
        } else if let sequence = node.sequence {
            self = .list(try sequence.map(ManifestNode.init))
        } else if let mapping = node.mapping {
            var members: [String: ManifestNode] = [:]
            for (key, value) in mapping {
                guard let name = key.string, members.updateValue(try ManifestNode(value), forKey: name) == nil else {
                    throw HarnessError(.malformed, "A key is no text, or is there twice: \(key)")
                }
            }
            self = .map(members)
        } else {
            throw HarnessError(.malformed, "An alias in a manifest: \(node)")
        }
    }

    /// What is at a path, if anything.
    subscript(path: String) -> ManifestNode? { self[path.split(separator: "/").map(String.init)] }

    subscript(path: [String]) -> ManifestNode? {
        get {
            guard let first = path.first else { return self }
            let rest = Array(path.dropFirst())
            switch self {
            case .scalar: return nil
            case .map(let members): return members[first]?[rest]
            case .list(let elements): return Self.index(of: first, in: elements).flatMap { elements[$0][rest] }
            }
        }
        set {
            guard let first = path.first else {
                if let newValue { self = newValue }
                return
            }
            let rest = Array(path.dropFirst())
            switch self {
            case .scalar: break
            case .map(var members):
                if rest.isEmpty { members[first] = newValue } else { members[first]?[rest] = newValue }
                self = .map(members)
            case .list(var elements):
                guard let index = Self.index(of: first, in: elements) else { break }
                if rest.isEmpty, newValue == nil {
                    elements.remove(at: index)
                } else {
                    elements[index][rest] = newValue
                }
                self = .list(elements)
            }
        }
    }

    private static func index(of name: String, in elements: [ManifestNode]) -> Int? {
        if let index = Int(name), elements.indices.contains(index) { return index }
        return elements.firstIndex { $0["name"]?.text == name }
    }

    var text: String? { if case .scalar(let text) = self { text } else { nil } }
    var number: Int? { self.text.flatMap { Int($0) } }
    var elements: [ManifestNode] { if case .list(let elements) = self { elements } else { [] } }
    var texts: [String] { self.elements.compactMap(\.text) }

    /// A map of texts, such as labels.
    var labels: [String: String] {
        guard case .map(let members) = self else { return [:] }
        return members.compactMapValues(\.text)
    }

    /// A quantity of Kubernetes, such as `500m` or `64Mi`, in its unit.
    var quantity: Double? {
        guard let text = self.text, let match = text.wholeMatch(of: /(\d+)(m|Ki|Mi|Gi)?/) else { return nil }
        let units = ["m": 0.001, "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824]
        return Double(match.1).map { $0 * (match.2.flatMap { units[String($0)] } ?? 1) }
    }

    /// The paths of all scalars below.
    var paths: [[String]] {
        switch self {
        case .scalar: [[]]
        case .map(let members):
            members.sorted { $0.key < $1.key }.flatMap { key, node in node.paths.map { [key] + $0 } }
        case .list(let elements): elements.indices.flatMap { index in elements[index].paths.map { ["\(index)"] + $0 } }
        }
    }
}
