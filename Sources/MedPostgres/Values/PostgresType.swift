// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres

/// The types whose binary form we know, by their object identifiers (PostgreSQL, `src/include/catalog/pg_type.dat`).
enum PostgresType {
    static let bool: Oid = 16
    static let bytea: Oid = 17
    static let char: Oid = 18
    static let name: Oid = 19
    static let int8: Oid = 20
    static let int2: Oid = 21
    static let int4: Oid = 23
    static let text: Oid = 25
    static let oid: Oid = 26
    static let json: Oid = 114
    static let float4: Oid = 700
    static let float8: Oid = 701
    static let unknown: Oid = 705
    static let bpchar: Oid = 1042
    static let varchar: Oid = 1043
    static let date: Oid = 1082
    static let timestamp: Oid = 1114
    static let timestamptz: Oid = 1184
    static let numeric: Oid = 1700
    static let uuid: Oid = 2950
    static let jsonb: Oid = 3802
    static let void: Oid = 2278

    /// What is in an array of that type; nil for all others.
    static func element(of array: Oid) -> Oid? {
        switch array {
        case 1000: self.bool
        case 1001: self.bytea
        case 1005: self.int2
        case 1007: self.int4
        case 1016: self.int8
        case 1009: self.text
        case 1014: self.bpchar
        case 1015: self.varchar
        case 1003: self.name
        case 1021: self.float4
        case 1022: self.float8
        case 1115: self.timestamp
        case 1185: self.timestamptz
        case 1182: self.date
        case 1231: self.numeric
        case 2951: self.uuid
        case 199: self.json
        case 3807: self.jsonb
        default: nil
        }
    }

    /// From 1970-01-01, where our timestamps begin, to 2000-01-01, where the server's do, in microseconds.
    static let epoch: Int64 = 946_684_800_000_000
}
