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
        ("/*/ SELECT */ DELETE FROM a", .delete), ("-- SELECT\r\nDELETE FROM a", .delete),
        ("WITH x AS (SELECT E'\\') SELECT') INSERT INTO a SELECT * FROM x", .insert),
        ("WITH x AS (SELECT $a$ ) SELECT $b$ $a$) INSERT INTO a SELECT * FROM x", .insert),
        // Where the databases do not agree.
        ("/* a /* b */ SELECT */ DELETE FROM a", .other), ("-- a\rDELETE FROM a", .other),
        ("VACUUM", .other), ("", .other), ("/* never ends", .other), ("'", .other), ("WITH", .other), (")))", .other),
    ])
    func `the verb of a statement is found`(sql: String, operation: SQLOperation) {
        #expect(SQLOperation(sql: sql) == operation)
    }

    @Test(arguments: [
        "SELECT 1", "  select 1", "(SELECT 1) UNION (SELECT 2)", "VALUES (1)", "TABLE a", "SHOW timezone",
        "PRAGMA user_version",
        "SELECT 'INTO', \"into\" FROM a /* INTO */", "SELECT $$ INTO $$", "SELECT a$1, $1 FROM into_a",
        "SELECT 1 -- a\r\n",
        "SELECT 1 FOR UPDATE", "SELECT a->>'b', a::TEXT, a ? 'b', rank() OVER (ORDER BY a) FROM c", "SELECT é FROM a",
        "select E'it\\'s into'",
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
        "SELECT 1 AS a INTO b", "select * into b from a", "WITH x AS (SELECT 1) SELECT * INTO b FROM x",
        "(SELECT 1) UNION SELECT 2 INTO b", "EXPLAIN ANALYZE CREATE TABLE b AS SELECT 1", "LISTEN a", "UNLISTEN *",
        "PREPARE a AS SELECT 1", "DEALLOCATE ALL", "LOAD 'a'", "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
        "/*/ SELECT */ DELETE FROM a", "/* a /* b */ SELECT */ DELETE FROM a", "-- a\rDELETE FROM a",
        "SELECT 1 /* a /* b */ INTO */",
        "WITH a AS (SELECT E'\\'' AS q), b AS (DELETE FROM c RETURNING 1) SELECT 1",
        "WITH a AS (SELECT $$it's$$), b AS (DELETE FROM c RETURNING 1) SELECT 1",
        "WITH a AS (SELECT $q$it's$$$q$), b AS (DELETE FROM c RETURNING 1) SELECT 1",
    ])
    func `what may write is none`(sql: String) { #expect(!SQLOperation.reads(sql)) }

    @Test(arguments: [
        "COMMIT", "/*/ a */ COMMIT", "-- a\rCOMMIT", "\u{FEFF}COMMIT", "/* a /* b */ SELECT */ COMMIT", "( rollback",
        "PREPARE TRANSACTION 'a'",
    ])
    func `what ends a transaction is seen`(sql: String) { #expect(SQLOperation.controlsTransaction(sql)) }

    @Test(arguments: [
        "SELECT 1", "-- COMMIT\nINSERT INTO a VALUES (1)", "/* COMMIT */ VALUES (1)", "PREPARE a AS SELECT 1",
    ])
    func `what does not end one is none of it`(sql: String) { #expect(!SQLOperation.controlsTransaction(sql)) }
}
