// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What a message of the protocol consists of. One description makes both forms, so that they cannot differ.
struct OTLPMessage<Value>: Sendable {
    let fields: [OTLPField<Value>]

    init(_ fields: OTLPField<Value>...) { self.fields = fields }

    func write(_ value: Value, to writer: inout ProtobufWriter) {
        for field in self.fields { field.writeProtobuf(value, &writer) }
    }

    func write(_ value: Value, to writer: inout OTLPJSONWriter) {
        writer.raw("{")
        var isFirst = true
        for field in self.fields where field.writeJSON(value, &writer, isFirst) { isFirst = false }
        writer.raw("}")
    }

    /// The whole message.
    func encode(_ value: Value, as form: OTLPProtocol) -> [UInt8] {
        switch form {
        case .protobuf:
            var writer = ProtobufWriter()
            self.write(value, to: &writer)
            return writer.bytes
        case .json:
            var writer = OTLPJSONWriter()
            self.write(value, to: &writer)
            return writer.bytes
        }
    }
}
