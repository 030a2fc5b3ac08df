// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Says what a line of a log breaks of the schema for Elastic Common Schema logs (elastic/ecs-logging, `spec/spec.json`, version 1.0).
package enum ECSLine {
    /// A field of the schema.
    private struct Field {
        let name: String
        var isRequired = false
        /// Its place among the keys; nil for any.
        var place: Int?
        var mayBeNested = true
    }

    private static let fields = [
        Field(name: "@timestamp", isRequired: true, place: 0),
        Field(name: "log.level", isRequired: true, place: 1, mayBeNested: false),
        Field(name: "message", isRequired: true, place: 2),
        Field(name: "ecs.version", isRequired: true),
        Field(name: "trace.id"), Field(name: "transaction.id"), Field(name: "service.name"),
        Field(name: "event.dataset"),
    ]

    /// What is wrong with a line, without its content; nil if it keeps the schema.
    package static func finding(in line: String) -> String? {
        guard let json = try? OrderedJSON(line), case .object = json else { return "It is no JSON object." }
        for field in Self.fields {
            guard let value = field.mayBeNested ? json.value(at: field.name) : json[field.name] else {
                if field.isRequired { return "It has no \(field.name)." }
                continue
            }
            guard let text = value.string else { return "Its \(field.name) is no text." }
            if let place = field.place, json.keys.firstIndex(of: field.name) != place {
                return "Its \(field.name) is not at place \(place)."
            }
            if field.name == "@timestamp", !self.isTime(text) { return "Its @timestamp is no time." }
        }
        if let labels = json["labels"] {
            guard case .object(let members) = labels else { return "Its labels are no object." }
            if members.contains(where: { $0.key.contains { ".*\\".contains($0) } }) {
                return "A label has a dot, an asterisk or a backslash in its name."
            }
        }
        return nil
    }

    /// Whether it is a date and time of RFC 3339 in UTC, with milliseconds or finer.
    private static func isTime(_ text: String) -> Bool {
        text.wholeMatch(of: /\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3,9}Z/) != nil
    }
}
