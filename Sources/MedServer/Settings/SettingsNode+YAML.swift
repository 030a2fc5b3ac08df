// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Yams

extension SettingsNode {
    /// Reads one YAML document; an empty one is an empty mapping.
    init(yaml text: String) throws(SettingsSyntaxError) {
        let root: Node?
        do {
            // The encoding is named, because the default one prints to standard output if an environment variable says so.
            root = try Yams.compose(yaml: text, .default, .default, .utf8)
        } catch {
            throw SettingsSyntaxError(error, in: text)
        }
        var budget = 10_000
        if let root, root.scalar?.string != "" {
            self = try Self(root, depth: 0, budget: &budget)
        } else {
            self = .mapping([])
        }
    }

    /// Aliases of aliases make a small file a large tree, so depth and number of entries have a limit.
    private init(_ node: Node, depth: Int, budget: inout Int) throws(SettingsSyntaxError) {
        switch node {
        case .scalar(let scalar):
            self = .scalar(Kind(node.tag, style: scalar.style), scalar.string)
        case .sequence, .alias:
            self = .sequence
        case .mapping(let mapping):
            var entries: [Entry] = []
            for (key, value) in mapping {
                budget -= 1
                guard let name = key.scalar?.string else {
                    throw SettingsSyntaxError(at: key.mark, "the key is not a text")
                }
                guard budget > 0, depth < Self.deepest else {
                    throw SettingsSyntaxError(at: key.mark, "it has too many entries or levels")
                }
                let node = try Self(value, depth: depth + 1, budget: &budget)
                entries.append(Entry(key: name, line: key.mark?.line ?? 1, node: node))
            }
            self = .mapping(entries)
        }
    }
}

extension SettingsNode.Kind {
    fileprivate init(_ tag: Tag, style: Node.Scalar.Style) {
        switch (style, Tag.Name(rawValue: tag.rawValue)) {
        case (_, .str), (_, .timestamp), (_, .merge), (_, .value): self = .text
        case (.plain, .int), (.plain, .float): self = .number
        case (.plain, .bool): self = .boolean
        case (.plain, .null): self = .null
        default: self = .other
        }
    }
}

extension SettingsSyntaxError {
    fileprivate init(at mark: Mark?, _ problem: String) {
        self.init(line: mark?.line ?? 1, column: mark?.column ?? 1, problem: problem)
    }

    /// The position and the problem of a YAML error, without the excerpt that its own description has.
    fileprivate init(_ error: any Error, in text: String) {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(at: mark, problem)
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map(\.printable).joined(separator: ", ")
            self.init(at: context.mark, "\(names) is given more than once")
        case .reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            let column = before.reversed().prefix { !$0.isNewline }.count + 1
            self.init(line: before.count(where: \.isNewline) + 1, column: column, problem: problem)
        default:
            self.init(at: nil, "it cannot be read as YAML")
        }
    }
}
