// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct ScrubberTests {
    /// A text with a planted secret, and what must be left of it. Keys are put together here, so that no scanner of
    /// repositories takes them for real ones.
    struct Planted: Sendable, CustomTestStringConvertible {
        let text: String
        let expected: String
        var testDescription: String { self.text }

        init(_ text: String, _ expected: String) {
            self.text = text
            self.expected = expected
        }
    }

    private static let alphanumeric = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5"
    private static let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    private static let payload = "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkFkYSJ9"
    private static let signature = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    private static func letters(_ count: Int) -> String { String(alphanumeric.prefix(count)) }

    static let keys = [
        Planted("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADANBg\n-----END PRIVATE KEY-----", "‹pem›"),
        Planted("key: -----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY----- read", "key: ‹pem› read"),
        Planted("cut -----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI", "cut ‹pem›"),
        Planted(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\nnext", "‹pem›\nnext"),
        Planted("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYB\n-----END PGP PRIVATE KEY BLOCK-----", "‹pem›"),
        Planted("Authorization: Bearer 4f3c2b1a9d8e7f60", "Authorization: Bearer ‹token›"),
        Planted("authorization: bearer mF_9.B5f-4.1JqM", "authorization: bearer ‹token›"),
        Planted("sent BEARER  AbCdEfGhIjKlMnOp.", "sent BEARER  ‹token›"),
        Planted("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Authorization: Basic ‹token›"),
        Planted("basic dXNlcjpwYXNz", "basic ‹token›"),
        Planted("jwt \(header).\(payload).\(signature) refused", "jwt ‹jwt› refused"),
        Planted("(\(header).\(payload).)", "(‹jwt›)"),
        Planted("Bearer \(header).\(payload).\(signature)", "Bearer ‹token›"),
        Planted("cookie=\(header).\(payload).\(signature); Path=/", "cookie=‹jwt›; Path=/"),
        Planted("used AKIA" + "IOSFODNN7EXAMPLE", "used ‹key›"),
        Planted("used ASIA" + "Y34FZKBOKMUTVV7A.", "used ‹key›."),
        Planted("AIza" + "SyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v", "‹key›"),
        Planted("remote: ghp_" + letters(36), "remote: ‹key›"),
        Planted("gho_" + letters(36), "‹key›"),
        Planted("ghs_" + letters(36) + "!", "‹key›!"),
        Planted("github_pat_" + letters(22) + "_" + letters(40), "‹key›"),
        Planted("glpat-" + letters(20), "‹key›"),
        Planted("xoxb-" + "123456789012-1234567890123-" + letters(24), "‹key›"),
        Planted("xoxp-" + "1234567890-abcdef", "‹key›"),
        Planted("xapp-" + "1-A012-345678-abc", "‹key›"),
        Planted("sk_live_" + letters(24), "‹key›"),
        Planted("rk_live_" + letters(24), "‹key›"),
        Planted("whsec_" + letters(32), "‹key›"),
        Planted("sk-" + letters(40), "‹key›"),
        Planted("sk-proj-" + letters(40), "‹key›"),
        Planted("npm_" + letters(36), "‹key›"),
        Planted("hf_" + letters(34), "‹key›"),
        Planted("shpat_" + letters(32), "‹key›"),
        Planted("SG." + letters(22) + "." + letters(43), "‹key›"),
        Planted("AGE-SECRET-KEY-1" + "QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3", "‹key›"),
    ]

    static let pairs = [
        Planted("postgres://med:hunter2@db:5432/med", "postgres://med:‹password›@db:5432/med"),
        Planted("redis://:hunter2@cache:6379", "redis://:‹password›@cache:6379"),
        Planted("to amqp://a:p%40ss@mq/x?y=1 failed", "to amqp://a:‹password›@mq/x?y=1 failed"),
        Planted("https://u:p@ss@example.org/", "https://u:‹password›@example.org/"),
        Planted("postgres://u:pa/ss@db/x", "postgres://u:‹password›@db/x"),
        Planted(
            "\"url\":\"mongodb+srv://root:s3cr3t@c0.example.net/\"",
            "\"url\":\"mongodb+srv://root:‹password›@c0.example.net/\""),
        Planted("password=hunter2", "password=‹password›"),
        Planted("host=db user=med password=hunter2 dbname=med", "host=db user=med password=‹password› dbname=med"),
        Planted("Server=db;Password=abc,def;Database=x", "Server=db;Password=‹password›;Database=x"),
        Planted("password='hun ter2' next", "password='‹password›' next"),
        Planted(#"{"user":"ada","password":"hun\"ter2"}"#, #"{"user":"ada","password":"‹password›"}"#),
        Planted(#"body {\"password\":\"hunter2\"}"#, #"body {\"password\":\"‹password›\"}"#),
        Planted("Password: hunter2", "Password: ‹password›"),
        Planted("PGPASSWORD=hunter2 psql", "PGPASSWORD=‹password› psql"),
        Planted("new_password => \"hunter2\"", "new_password => \"‹password›\""),
        Planted("?user=ada&pwd=hunter2&x=1", "?user=ada&pwd=‹password›&x=1"),
        Planted("passphrase: correct", "passphrase: ‹password›"),
        Planted("password=$ecret", "password=‹password›"),
        Planted("(password=hunter2)", "(password=‹password›)"),
        Planted("password=hunter2, user=ada", "password=‹password›, user=ada"),
        Planted("secret=swordfish", "secret=‹secret›"),
        Planted("client_secret=Zm9v&grant_type=x", "client_secret=‹secret›&grant_type=x"),
        Planted(#""clientSecret" : "Zm9v""#, #""clientSecret" : "‹secret›""#),
        Planted("token=abcdef", "token=‹token›"),
        Planted("/callback?access_token=ya29.a0Af&state=1", "/callback?access_token=‹token›&state=1"),
        Planted("X-Auth-Token: 9f8e7d6c", "X-Auth-Token: ‹token›"),
        Planted("key=7b1c3f0e9a2d4c55", "key=‹key›"),
        Planted("?key=AIzaSyA1bC2&x=1", "?key=‹key›&x=1"),
        Planted("x-api-key: 7b1c3f0e-9a2d-4c55", "x-api-key: ‹key›"),
        Planted("PHI_ENCRYPTION_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "PHI_ENCRYPTION_KEY=‹key›"),
        Planted("apiKey=\"a1b2c3d4e5\"", "apiKey=\"‹key›\""),
        Planted("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = ‹key›"),
    ]

    static let people = [
        Planted("ada@example.org", "‹email›"),
        Planted("login of ada.lovelace+x@mail.example.co.uk failed", "login of ‹email› failed"),
        Planted("<ada@example.org>, <b_c@d-e.io>", "<‹email›>, <‹email›>"),
        Planted("?email=ada%40example.org&x=1", "?email=‹email›&x=1"),
        Planted("mailto:ada@example.org.", "mailto:‹email›."),
        Planted("grüße@münchen.de", "‹email›"),
        Planted("to 'Ada@EXAMPLE.ORG'", "to '‹email›'"),
        Planted("ssn 123-45-6789", "ssn ‹ssn›"),
        Planted("(123-45-6789)", "(‹ssn›)"),
        Planted("patient 900-12-3456.", "patient ‹ssn›."),
        Planted("ssn=123456789", "ssn=‹ssn›"),
        Planted("SSN: 123456789", "SSN: ‹ssn›"),
        Planted(#""ssn":"123-45-6789""#, #""ssn":"‹ssn›""#),
        Planted("SSN 123456789", "SSN ‹ssn›"),
        Planted("social security number 123456789", "social security number ‹ssn›"),
        Planted("MRN 12345678", "MRN ‹mrn›"),
        Planted("mrn: 0012345", "mrn: ‹mrn›"),
        Planted("mrn=A1234567,ward=3", "mrn=‹mrn›,ward=3"),
        Planted("MRN#12-345-678 admitted", "MRN#‹mrn› admitted"),
        Planted("MRN12345678", "MRN‹mrn›"),
        Planted(#"{"mrn":"12345678"}"#, #"{"mrn":"‹mrn›"}"#),
        Planted("patient_mrn=12345678", "patient_mrn=‹mrn›"),
        Planted("patientMrn: 12345678", "patientMrn: ‹mrn›"),
        Planted("MRN is 12345678", "MRN is ‹mrn›"),
        Planted("MRN number 12345678", "MRN number ‹mrn›"),
        Planted("Medical record number: 1234567", "Medical record number: ‹mrn›"),
        Planted("medical_record_number=1234567", "medical_record_number=‹mrn›"),
        Planted("medicalRecordNumber 1234567", "medicalRecordNumber ‹mrn›"),
        Planted("medical record no. 1234567", "medical record no. ‹mrn›"),
        Planted("medical record #1234567", "medical record #‹mrn›"),
        Planted("card 4111111111111111", "card ‹card›"),
        Planted("4111 1111 1111 1111", "‹card›"),
        Planted("5555-5555-5555-4444", "‹card›"),
        Planted("3782 822463 10005", "‹card›"),
        Planted("pan=6011111111111117;", "pan=‹card›;"),
        Planted("30569309025904", "‹card›"),
        Planted("call +1 (212) 555-0123 now", "call ‹phone› now"),
        Planted("+442071838750", "‹phone›"),
        Planted("212-555-0123", "‹phone›"),
        Planted("(212) 555-0123", "‹phone›"),
    ]

    @Test(arguments: keys + pairs + people)
    func `a planted secret is taken out, and nothing around it`(planted: Planted) {
        #expect(Scrubber.scrub(planted.text) == planted.expected)
        // Also in the middle of something else.
        #expect(Scrubber.scrub("Ünd, \(planted.text)").hasPrefix("Ünd, "))
    }

    @Test func `there are enough planted secrets for the promise to mean something`() {
        #expect((Self.keys + Self.pairs + Self.people).count >= 100)
    }

    @Test(arguments: [
        "", "a", "Graceful shutdown complete", "password", "password=", "password: ", "password=****", "password=$1",
        "password = ?", "SET password = ${DB_PASSWORD}", "password=<redacted>", "token=nil", "secret=false",
        "password=‹password›", "postgres://med:‹password›@db/med", "Bearer ‹token›", "unexpected token: identifier",
        "bearer authentication is off", "basic functionality", "keys=5", "max_tokens=4096", "monkey=12345678",
        "cache key: patients:42", "token_type=x", "passwordless=true", "user@localhost", "git@github.com:org/repo.git",
        "pkg@1.2.3", "root@10.0.0.1", "postgres@15-main.service", "000-12-3456", "666-12-3456", "123-00-4567",
        "123-45-0000", "1123-45-6789", "123-45-67890", "4111111111111112", "1700000000000", "1700000000000000000",
        "MRN 123", "smrnx 12345678", "https://example.org:8080/a@b", "http://[::1]:5000/x", "@", "a@", "@b.c",
        "://:@", "-----", "eyJ.a.b", "AKIA", "sk-", "%40", "--password", "123-45-", "xoxb-",
    ])
    func `what is none of it stays as it is`(text: String) {
        #expect(Scrubber.scrub(text) == text)
    }

    // MARK: Properties

    /// Texts of pieces that rules begin and end with, in any order.
    private static func texts(seed: UInt64, count: Int) -> [String] {
        let pieces = [
            "password", "token", "key", "secret", "pwd", "ssn", "mrn", "MRN ", "Bearer ", "Basic ", "eyJ", "AKIA",
            "sk-", "ghp_",
            "=", ":", "://", "@", "%40", "-", "--", "-----BEGIN ", "-----END ", "-----", ".", ",", ";", "&", " ", "  ",
            "\"", "'",
            "\\", "\\\"", "(", ")", "‹", "›", "‹email›", "‹password›", "***", "é", "日本", "👩‍👩‍👧", "\u{2028}", "\0", "\n",
            "a", "b", "Z9", "example.org", "a@b.co", "123", "45", "6789", "4111111111111111", "1234567890123", "0", "+",
            "#",
            "medical record number", "http", "aB3dE6gH9jK2mN5p",
        ]
        var random = SplitMix(state: seed)
        return (0..<count).map { _ in
            (0..<Int(random.next() % 14)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }.joined()
        }
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `whatever goes in, it comes out as valid text, hardly longer, and stays the same the second time`(seed: UInt64)
    {
        for text in Self.texts(seed: seed, count: 5000) {
            let once = Scrubber.scrub(text)
            var copy = text
            let bytes = copy.withUTF8 { Scrubber.scrub($0) } ?? Array(text.utf8)
            guard String(validating: bytes, as: UTF8.self) == once,
                bytes.count <= text.utf8.count + Scrubber.maximumGrowth,
                Scrubber.scrub(once) == once
            else {
                Issue.record(
                    "\(text.debugDescription) -> \(once.debugDescription) -> \(Scrubber.scrub(once).debugDescription)")
                return
            }
        }
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `random bytes that became text are no trouble`(seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<5000 {
            let bytes = (0..<Int(random.next() % 80)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 20) }
            let text = String(decoding: bytes, as: UTF8.self)
            let once = Scrubber.scrub(text)
            #expect(Scrubber.scrub(once) == once)
        }
    }

    @Test func `a thousand short secrets do not make a text longer than its bound`() {
        let text = String(repeating: "pwd=a;", count: 1000)
        let scrubbed = Scrubber.scrub(text)
        #expect(scrubbed.utf8.count <= text.utf8.count + Scrubber.maximumGrowth)
        #expect(!scrubbed.contains("=a"))
        #expect(scrubbed.hasPrefix("pwd=‹password›;pwd=‹password›;"))
        #expect(scrubbed.hasSuffix("pwd=*;pwd=*;"))
        #expect(Scrubber.scrub(scrubbed) == scrubbed)
    }

    @Test func `a long text of nothing but beginnings is scrubbed in a time that grows with its length`() {
        // Each of these would take minutes, were the scan quadratic.
        for piece in [
            "a@", "x://a:b", "sk-", "key=(", "password=<", "password=‹", "token: a", "eyJaaaaaa.a.", "key=\"(", ",a",
            "password", "-----BEGIN ", "eyJaaaaaa.", "1-", "%40", "://a:", "\"", "mrn 1", "b.c@d",
        ] {
            let text = String(repeating: piece, count: 100_000 / piece.utf8.count)
            #expect(Scrubber.scrub(text).utf8.count <= text.utf8.count + Scrubber.maximumGrowth)
        }
    }
}

/// Random numbers that are the same in every run (Steele, Lea and Flood: SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
