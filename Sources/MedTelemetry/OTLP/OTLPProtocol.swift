// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How messages are written (`OTEL_EXPORTER_OTLP_PROTOCOL`).
public enum OTLPProtocol: String, Sendable, Equatable {
    case protobuf = "http/protobuf"
    case json = "http/json"

    var contentType: String {
        switch self {
        case .protobuf: "application/x-protobuf"
        case .json: "application/json"
        }
    }
}
