// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage
import Testing

@Suite struct SQLOperationTests {
    @Test(arguments: [
        ("SELECT 1", SQLOperation.select), ("  select 1", .select), ("(SELECT 1) UNION (SELECT 2)", .select),
        ("VALUES (1)", .select), ("INSERT INTO a VALUES (1)", .insert), ("REPLACE INTO a VALUES (1)", .insert),
        ("UPDATE a SET b = 1", .update), ("DELETE FROM a", .delete), ("COPY a FROM STDIN", .copy),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", .begin), ("START TRANSACTION", .begin), ("COMMIT", .commit),
        ("END", .commit), ("ROLLBACK TO a", .rollback), ("CREATE TABLE a (b INT)", .ddl), ("TRUNCATE a", .ddl),
        ("-- SELECT\nDELETE FROM a", .delete), ("/* UPDATE */ INSERT INTO a VALUES (1)", .insert),
        ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", .select),
        ("WITH x AS (SELECT ')' FROM \"insert\"), y AS (SELECT 1) INSERT INTO a SELECT * FROM x", .insert),
        ("WITH RECURSIVE x (update_id) AS (SELECT 1) UPDATE a SET b = 1", .update),
        ("VACUUM", .other), ("", .other), ("/* never ends", .other), ("'", .other), ("WITH", .other), (")))", .other),
    ])
    func `the verb of a statement is found`(sql: String, operation: SQLOperation) {
        #expect(SQLOperation(sql: sql) == operation)
    }

    @Test(arguments: [
        "SELECT 1", "  select 1", "(SELECT 1) UNION (SELECT 2)", "VALUES (1)", "TABLE a", "SHOW timezone",
        "PRAGMA user_version",
        "WITH x AS (SELECT 'insert' AS \"delete\") SELECT * FROM x /* update */", "EXPLAIN SELECT 1", "-- a\nSELECT 1",
        "",
        // Whose place in the statement the database shows.
        "SELEC 1",
    ])
    func `what reads is a query`(sql: String) { #expect(SQLOperation.reads(sql)) }

    @Test(arguments: [
        "INSERT INTO a VALUES (1)", "CALL p()", "DO 'BEGIN END'", "VACUUM",
        "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
        "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "EXPLAIN ANALYZE UPDATE a SET b = 1", "SET a = 1",
        "LOCK a",
        "EXECUTE a", "/* SELECT */ REINDEX TABLE a", "EXPLAIN (ANALYZE) EXECUTE a",
    ])
    func `what may write is none`(sql: String) { #expect(!SQLOperation.reads(sql)) }
}
