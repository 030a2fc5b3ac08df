// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The settings that a `--config` file gives, and the mistakes in its form.
///
/// `shutdown: {graceSeconds: 5}` and `shutdown.graceSeconds: 5` are the same. A file whose name ends in `.json` is
/// JSON, any other is YAML. The values are the reader's to check.
struct SettingsFile {
    struct Value {
        let text: String
        let line: Int
    }

    private static let largest = 1 << 20

    let path: String
    /// The values, by key.
    private(set) var values: [String: Value] = [:]
    /// The keys that have something of the wrong form, so that nobody calls them missing.
    private(set) var malformed: Set<String> = []
    /// Whether nothing is known about what the file says.
    private(set) var isUnreadable = false
    /// A sentence for each mistake.
    private(set) var mistakes: [String] = []

    /// Reads the file. It blocks, and is meant for the start of a process.
    init(path: String) {
        self.path = path
        do {
            let text = try Self.text(of: path)
            let root = try path.lowercased().hasSuffix(".json") ? SettingsNode(json: text) : SettingsNode(yaml: text)
            guard case .mapping(let entries) = root else {
                throw Unreadable(reason: "must be a mapping of keys to values")
            }
            self.add(entries, below: [])
        } catch let error as SettingsSyntaxError {
            self.isUnreadable = true
            self.mistakes.append(
                "\(path.printable) line \(error.line), column \(error.column) is not understood: \(error.problem)."
            )
        } catch let error as Unreadable {
            self.isUnreadable = true
            self.mistakes.append("\(path.printable) \(error.reason).")
        } catch {
            self.isUnreadable = true
            self.mistakes.append("\(path.printable) cannot be read.")
        }
    }

    private mutating func add(_ entries: [SettingsNode.Entry], below path: [String]) {
        for entry in entries {
            let path = path + [entry.key]
            let key = path.joined(separator: ".")
            let setting = Setting.all.first { $0.key == key }
            switch (entry.node, setting) {
            case (.scalar(let kind, let text), let setting?):
                self.add(text, of: kind, for: setting, line: entry.line)
            case (_, let setting?):
                self.reject(setting, "\(key) (\(self.place(entry.line))) must be one value, not a list or a mapping.")
            case (.mapping(let entries), nil):
                self.add(entries, below: path)
            case (.scalar(.null, _), nil) where Setting.all.contains { $0.key.hasPrefix(key + ".") }:
                // A group whose settings are all commented out.
                break
            case (_, nil):
                let nearest = nearestName(to: key, in: Setting.all.map(\.key))
                let hint = nearest.map { "did you mean \($0)?" } ?? "`medbuilder config` lists the settings."
                self.mistakes.append("\(key.printable) (\(self.place(entry.line))) is not a setting; \(hint)")
            }
        }
    }

    private mutating func add(_ text: String, of kind: SettingsNode.Kind, for setting: Setting, line: Int) {
        let place = self.place(line)
        if let first = self.values[setting.key] {
            self.reject(
                setting, "\(setting.key) is given more than once (\(self.place(first.line)), and line \(line)).")
            return
        }
        switch (kind, setting.rule) {
        case (.null, _):
            self.reject(setting, "\(setting.key) (\(place)) has no value; it must be \(setting.rule.text).")
        case (.other, _):
            self.reject(setting, "\(setting.key) (\(place)) has a YAML tag; it must be \(setting.rule.text).")
        case (.text, .wholeNumber), (.text, .seconds):
            self.reject(
                setting, "\(setting.key) (\(place)) is a text; it must be \(setting.rule.text), without quotes.")
        case (.number, .text), (.boolean, .text):
            self.reject(setting, "\(setting.key) (\(place)) is not a text; it must be \(setting.rule.text), in quotes.")
        default:
            self.values[setting.key] = Value(text: text, line: line)
        }
    }

    private mutating func reject(_ setting: Setting, _ sentence: String) {
        self.malformed.insert(setting.key)
        self.mistakes.append(sentence)
    }

    private func place(_ line: Int) -> String { SettingOrigin.file(path: self.path, line: line).text }
}

extension SettingsFile {
    /// Why there is nothing to understand: the end of a sentence that begins with the path.
    private struct Unreadable: Error {
        let reason: String
    }

    private static func text(of path: String) throws -> String {
        let content: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            content = try Self.content(of: file)
        } catch let error as Unreadable {
            throw error
        } catch {
            throw Unreadable(reason: Self.reason(for: error))
        }
        // Some editors begin a file with a byte order mark, which would count as the indentation of its first key.
        let text = content.starts(with: [0xEF, 0xBB, 0xBF]) ? content.dropFirst(3) : content
        guard let text = String(validating: text, as: UTF8.self) else { throw Unreadable(reason: "is not UTF-8 text") }
        return text
    }

    /// Reads to the end, which a device or a pipe may not have.
    private static func content(of file: FileHandle) throws -> Data {
        var content = Data()
        while let more = try file.read(upToCount: Self.largest), !more.isEmpty {
            content.append(more)
            guard content.count <= Self.largest else {
                throw Unreadable(reason: "is larger than a file of settings can be")
            }
        }
        return content
    }

    private static func reason(for error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        return switch underlying.flatMap({ POSIXErrorCode(rawValue: Int32($0.code)) }) {
        case .ENOENT: "does not exist"
        case .EACCES: "may not be read by this user"
        case .EISDIR: "is a folder, not a file"
        default: "cannot be read"
        }
    }
}
