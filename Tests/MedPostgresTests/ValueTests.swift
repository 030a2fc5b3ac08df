// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedPostgres
import MedStorage
import Testing

@Suite struct ValueTests {
    @Test func `values of every type come back as they went in`() async throws {
        let id = UUID()
        let now = SQLTimestamp(microsecondsSince1970: 1_764_240_000_123_456)
        try await withDatabase { database in
            let row = try #require(
                try await database.query(
                    """
                    SELECT \(true)::bool AS boolean, \(Int16.min)::int2 AS int2, \(Int32.max)::int4 AS int4,
                        \(Int64.min)::int8 AS int8, \(0.1)::float8 AS float8, \(-Double.infinity)::float8 AS infinite,
                        \("'; DROP TABLE x; --ü\u{301}🩺")::text AS text, \([UInt8]([0, 255, 92]))::bytea AS bytea,
                        \(id)::uuid AS uuid, \(now)::timestamptz AS moment, \(SQLTimestamp.infinity)::timestamptz AS never,
                        \(SQLTimestamp.negativeInfinity)::timestamptz AS always,
                        \(SQLValue.json(#"{"a": [1, null]}"#))::jsonb AS json, \(Int?.none)::int4 AS nothing,
                        \([Int]())::int8[] AS empty, \([1, 2, 3])::int4[] AS numbers,
                        \(["a", "", "\"\\{},NULL"])::text[] AS texts, \([id, id])::uuid[] AS ids,
                        \([Int?.some(1), nil])::int8[] AS holes, \(12.5)::numeric AS number, 0.00012::numeric AS small,
                        12345678901234567890.5::numeric AS large
                    """
                ).first)
            #expect(try row.decode("boolean") == true)
            #expect(try row.decode("int2") == Int16.min)
            #expect(try row.decode("int4") == Int32.max)
            #expect(try row.decode("int8") == Int64.min)
            #expect(try row.decode("float8") == 0.1)
            #expect(try row.decode("infinite") == -Double.infinity)
            #expect(try row.decode("text") == "'; DROP TABLE x; --ü\u{301}🩺")
            #expect(try row.decode("bytea") == [UInt8]([0, 255, 92]))
            #expect(try row.decode("uuid") == id)
            #expect(try row.decode("moment") == now)
            #expect(try row.decode("never") == SQLTimestamp.infinity)
            #expect(try row.decode("always") == SQLTimestamp.negativeInfinity)
            #expect(row["json"] == .json(#"{"a": [1, null]}"#))
            #expect(try row.decode("nothing", as: Int?.self) == nil)
            #expect(try row.decode("empty") == [Int]())
            #expect(try row.decode("numbers") == [1, 2, 3])
            #expect(try row.decode("texts") == ["a", "", "\"\\{},NULL"])
            #expect(try row.decode("ids") == [id, id])
            #expect(try row.decode("holes") == [Int?.some(1), nil])
            #expect(row["number"] == .text("12.5"))
            #expect(row["small"] == .text("0.00012"))
            #expect(row["large"] == .text("12345678901234567890.5"))
        }
    }

    @Test func `what does not fit is refused before it is sent, and is not in the error`() async throws {
        try await withDatabase { database in
            for statement: Statement in [
                "SELECT \("secret\0")::text", "SELECT \(70_000)::int2", "SELECT \(SQLValue.text("secret"))::int4",
            ] {
                do {
                    _ = try await database.query(statement)
                    Issue.record("It was taken.")
                } catch let error as DatabaseError {
                    #expect(error.code == .unexpectedValue || error.code == .invalidStatement)
                    #expect(!error.description.contains("secret") && !error.description.contains("70000"))
                }
            }
            #expect(try await database.query("SELECT 1").first?.decode(0) == 1)
        }
    }

    @Test func `a parameter of a gigabyte is refused before it is sent`() async throws {
        try await withDatabase { database in
            // No message is longer (PostgreSQL, 55.7), and the server ends the session of whoever tries.
            // Never touched, so that it takes none of the machine's memory.
            let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 30) { _, count in count = 1 << 30 }
            #expect(
                await code { _ = try await database.query("SELECT length(\(SQLValue.blob(bytes)))") } == .valueTooLarge)
            let rows = try await database.query("SELECT 1")
            #expect(rows.count == 1)
        }
    }

    @Test func `a type that is not ours is told apart by name, and can be cast`() async throws {
        try await withDatabase { database in
            #expect(
                await code { _ = try await database.query("SELECT '1.2.3.4'::inet AS address") } == .unexpectedValue)
            let text: String = try await database.query("SELECT '1.2.3.4'::inet::text")[0].decode(0)
            #expect(text == "1.2.3.4/32")
        }
    }
}
