// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What a collector makes of a request.
enum OTLPAnswer: Sendable, Equatable {
    /// It has it, but for so many items (`partial_success`), which must not be sent again.
    case taken(rejected: Int)
    /// It does not want it, now or later.
    case refused(OTLPFailure)
    /// Later, perhaps; when, if it says so.
    case later(Duration?, OTLPFailure)

    /// What a status means ("OTLP/HTTP Response" of the OTLP specification); `nil` for success, where the body counts.
    static func failure(status: Int, retryAfter: String?, wallNow: UInt64) -> OTLPAnswer? {
        switch status {
        case 200..<300: nil
        case 429, 502, 503, 504: .later(retryAfter.flatMap { RetryAfter.pause($0, wallNow: wallNow) }, .status(status))
        default: .refused(.status(status))
        }
    }

    /// How many items the body of a success says were not taken; 0 if it says nothing that can be read.
    static func rejected(_ body: [UInt8], isJSON: Bool, signal: OTLPSignal) -> Int {
        isJSON ? Self.rejectedJSON(body, signal) : Self.rejectedProtobuf(body)
    }

    private static func rejectedJSON(_ body: [UInt8], _ signal: OTLPSignal) -> Int {
        // 64-bit integers are strings, but not everybody writes them so.
        enum Count: Decodable {
            case number(Int)
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let number = try? container.decode(Int.self) {
                    self = .number(number)
                } else {
                    self = .number(Int(try container.decode(String.self)) ?? 0)
                }
            }
        }
        struct Answer: Decodable { let partialSuccess: [String: Value]? }
        enum Value: Decodable {
            case count(Int)
            case other
            init(from decoder: any Decoder) throws {
                guard case .number(let number)? = try? Count(from: decoder) else {
                    self = .other
                    return
                }
                self = .count(number)
            }
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(body)),
            case .count(let count)? = answer.partialSuccess?[signal.rejectedName]
        else { return 0 }
        return max(0, count)
    }

    /// `partial_success = 1`, within it `rejected_… = 1` (`*_service.proto`).
    private static func rejectedProtobuf(_ body: [UInt8]) -> Int {
        guard case .bytes(let inner)? = ProtobufFields.last(1, of: body[...]),
            case .varint(let number)? = ProtobufFields.last(1, of: inner)
        else { return 0 }
        return max(0, Int(Int64(bitPattern: number)))
    }
}
