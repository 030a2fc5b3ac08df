// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One field of a message: its number, its name in the JSON form, and where its value comes from.
struct OTLPField<Value>: Sendable {
    /// Appends the field, if it is there.
    let writeProtobuf: @Sendable (Value, inout ProtobufWriter) -> Void
    /// Appends the field, if it is there, after a comma unless it is the first one; says whether it is there.
    let writeJSON: @Sendable (Value, inout OTLPJSONWriter, _ isFirst: Bool) -> Bool

    /// A field that is left out when it is its type's default.
    static func value(
        _ number: Int, _ name: String, _ get: @escaping @Sendable (Value) -> OTLPScalar
    ) -> OTLPField {
        .present(number, name) { value in
            let scalar = get(value)
            return scalar.isDefault ? nil : scalar
        }
    }

    /// A field of which it matters whether it is there: `optional`, or one of several (`oneof`).
    static func present(
        _ number: Int, _ name: String, _ get: @escaping @Sendable (Value) -> OTLPScalar?
    ) -> OTLPField {
        OTLPField(
            writeProtobuf: { value, writer in get(value)?.write(number, to: &writer) },
            writeJSON: { value, writer, isFirst in
                guard let scalar = get(value) else { return false }
                writer.name(name, isFirst: isFirst)
                scalar.write(to: &writer)
                return true
            })
    }

    /// A message within this one, if it is there.
    ///
    /// - Parameter message: a closure, because messages contain themselves.
    static func message<Inner>(
        _ number: Int, _ name: String, _ message: @escaping @Sendable () -> OTLPMessage<Inner>,
        _ get: @escaping @Sendable (Value) -> Inner?
    ) -> OTLPField {
        OTLPField(
            writeProtobuf: { value, writer in
                guard let inner = get(value) else { return }
                writer.message(number) { message().write(inner, to: &$0) }
            },
            writeJSON: { value, writer, isFirst in
                guard let inner = get(value) else { return false }
                writer.name(name, isFirst: isFirst)
                message().write(inner, to: &writer)
                return true
            })
    }

    /// Messages within this one.
    static func messages<Inner>(
        _ number: Int, _ name: String, _ message: @escaping @Sendable () -> OTLPMessage<Inner>,
        _ get: @escaping @Sendable (Value) -> [Inner]
    ) -> OTLPField {
        OTLPField(
            writeProtobuf: { value, writer in
                for inner in get(value) { writer.message(number) { message().write(inner, to: &$0) } }
            },
            writeJSON: { value, writer, isFirst in
                let inner = get(value)
                guard !inner.isEmpty else { return false }
                writer.name(name, isFirst: isFirst)
                writer.array(inner) { writer, inner in message().write(inner, to: &writer) }
                return true
            })
    }
}
