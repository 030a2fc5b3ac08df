// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension FramingCase {
    /// All of them.
    static let all: [Self] = [
        lengths, goodLengths, codings, goodCodings, mangledCodings, bothTold, bothElsewhere, chunkSizes, goodChunks,
        chunkEnds, trailers, goodTrailers, endless,
        lineEnds, fields, goodFields, hosts, goodHosts, targets, goodTargets, requestLines, oldVersions, others,
    ].flatMap { $0 }

    // MARK: Content-Length (RFC 9110 §8.6, RFC 9112 §6.3)

    private static let lengths: [Self] = Self.refused(each: [
        "signed": "+5", "negative": "-5", "negative zero": "-0", "hexadecimal": "0x5", "empty": "",
        "letters": "five", "with a letter behind": "5a", "with a fraction": "5.0", "two words": "5 5",
        "with a semicolon": "5;", "with an underscore": "1_0", "in quotes": "\"5\"",
        "a list of equal ones": "5, 5", "a list of different ones": "5, 6", "a list with an empty end": "5,",
        "2 to the 64th": "18446744073709551616",
        "2 to the 64th and five": "18446744073709551621", "twenty nines": "99999999999999999999",
        "forty digits": "0000000000000000000000000000000000000005x", "behind a vertical tab": "\u{0B}5",
        "before a form feed": "5\u{0C}", "behind a no-break space": "\u{A0}5",
        "a superscript digit": "\u{B2}",
        "before a zero byte": "5\u{00}", "before a bare CR": "5\r",
    ]) { ("length \($0)", Self.post("Content-Length: \($1)\r\n")) }

    private static let goodLengths: [Self] = [
        .taken("length", Self.post("Content-Length: 5\r\n"), echo: "hello"),
        .taken("length among blanks", Self.post("Content-Length:   5  \r\n"), echo: "hello"),
        .either("length among tabs", Self.post("Content-Length: \t5\t\r\n"), echo: "hello"),
        .taken("length without a blank", Self.post("Content-Length:5\r\n"), echo: "hello"),
        .taken("length with leading zeros", Self.post("Content-Length: 0005\r\n"), echo: "hello"),
        .taken("length in other letters", Self.post("cONTENT-lENGTH: 5\r\n"), echo: "hello"),
        .taken("length zero", Self.post("Content-Length: 0\r\n", ""), echo: ""),
        .taken("length of a GET", Self.get("Content-Length: 5\r\n") + "hello"),
        .taken("no length", Self.post("", ""), echo: ""),
        .taken("length and its look-alike", Self.post("Content-Length: 5\r\nContent_Length: 9\r\n"), echo: "hello"),
        .refused(
            "length 2 to the 63rd", Self.post("Content-Length: 9223372036854775808\r\n"), with: [400, 413]),
        .refused(
            "length 2 to the 64th less one", Self.post("Content-Length: 18446744073709551615\r\n"), with: [400, 413]),
        .refused("two equal lengths", Self.post("Content-Length: 5\r\nContent-Length: 5\r\n")),
        .refused("two different lengths", Self.post("Content-Length: 5\r\nContent-Length: 6\r\n")),
        .refused(
            "two different lengths, the larger first", Self.post("Content-Length: 6\r\nContent-Length: 5\r\n")),
        .refused("two lengths of zero", Self.post("Content-Length: 0\r\nContent-Length: 0\r\n", "")),
        .refused("two lengths of a GET", Self.get("Content-Length: 0\r\nContent-Length: 44\r\n")),
        .refused("a blank before the colon of the length", Self.post("Content-Length : 5\r\n")),
        .refused("a length on a line of its own", Self.post("Content-Length:\r\n 5\r\n")),
        Self(
            name: "more than the length", text: Self.post("Content-Length: 5\r\n", "hello!!!"),
            outcomes: [[[200], [400]]], echo: "hello"),
    ]

    // MARK: Transfer-Encoding (RFC 9112 §6.1)

    private static let codings: [Self] = Self.refused(
        each: [
            "unknown": "xchunked", "twice in a list": "chunked, chunked", "gzip first": "gzip, chunked",
            "gzip last": "chunked, gzip", "gzip": "gzip", "identity": "identity",
            "identity last": "chunked, identity", "identity first": "identity, chunked",
            "with a weight": "chunked;q=1", "with a parameter": "chunked; a=b",
            "behind a vertical tab": "\u{0B}chunked", "before a vertical tab": "chunked\u{0B}",
            "before a form feed": "chunked\u{0C}", "in quotes": "\"chunked\"", "too short": "chunk",
            "too long": "chunkedd", "empty": "", "behind an empty element": ", chunked",
            "before an empty element": "chunked,", "before a zero byte": "chunked\u{00}",
            "before a bare CR": "chunked\r", "behind a no-break space": "\u{A0}chunked", "two words": "chunked x",
            "two words of it": "x chunked",
        ],
        with: [400, 501]
    ) { ("coding \($0)", Self.coded("Transfer-Encoding: \($1)\r\n")) }

    private static let goodCodings: [Self] = [
        .taken("coding", Self.coded("Transfer-Encoding: chunked\r\n"), echo: "hello"),
        .taken("coding in other letters", Self.coded("TRANSFER-ENCODING: Chunked\r\n"), echo: "hello"),
        .either("coding among blanks", Self.coded("Transfer-Encoding:   chunked  \r\n"), echo: "hello"),
        .either("coding among tabs", Self.coded("Transfer-Encoding: \tchunked\t\r\n"), echo: "hello"),
        .taken("coding of a GET", Self.get("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"),
        .taken(
            "coding named hop by hop",
            Self.coded("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n"), echo: "hello"),
        .taken(
            "length named hop by hop", Self.post("Connection: Content-Length\r\nContent-Length: 5\r\n"), echo: "hello"),
        .taken(
            "the look-alike of a coding", Self.post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"),
            echo: "hello"),
    ]

    private static let mangledCodings: [Self] = Self.refused(
        each: [
            "on two lines": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "and then identity": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "behind identity": "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "with a blank before its colon": "Transfer-Encoding : chunked\r\n",
            "with a tab before its colon": "Transfer-Encoding\t: chunked\r\n",
            "on a line of its own": "Transfer-Encoding:\r\n chunked\r\n",
            "behind a bare LF": "X: y\nTransfer-Encoding: chunked\r\n",
            "behind a bare CR": "X: y\rTransfer-Encoding: chunked\r\n",
        ],
        with: [400, 501]
    ) { ("coding \($0)", Self.coded($1)) }

    // MARK: Both (RFC 9112 §6.3)

    private static let bothTold: [Self] =
        Self.refused(
            each: [
                "length and coding": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "coding and length": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                "length zero and coding": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                "length and a coding that is none": "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
                "length and identity": "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
                "length and an empty coding": "Content-Length: 5\r\nTransfer-Encoding:\r\n",
                "a length that is none and coding": "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
            ],
            with: [400, 501]
        ) { ($0, Self.post($1, "0\r\n\r\n")) }

    private static let bothElsewhere: [Self] = Self.refused(
        each: [
            "both of a GET": "GET /_drill/hello HTTP/1.1\r\nContent-Length: 5\r\n",
            "both of a probe": "GET /live HTTP/1.1\r\nContent-Length: 5\r\n",
            "both in HTTP/1.0": "POST /_drill/echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n",
            "coding in HTTP/1.0": "POST /_drill/echo HTTP/1.0\r\nConnection: keep-alive\r\n",
        ]
    ) { ($0, "\($1)Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") }

    // MARK: Chunks (RFC 9112 §7.1)

    private static let chunkSizes: [Self] = Self.refused(each: [
        "that is no number": "x", "with a letter behind": "5x", "signed": "+5", "negative": "-5",
        "behind a blank": " 5", "before a blank": "5 ", "behind a tab": "\t5", "before a tab": "5\t",
        "with a prefix": "0x5", "that is empty": "", "with an underscore": "0_5", "two words": "5 5",
        "that wraps to five": "10000000000000005",
        "of many digits that wraps to five": "100000000000000000000000000000005",
        "of seventeen digits": "FFFFFFFFFFFFFFFFF", "before a zero byte": "5\u{00}", "before a bare CR": "5\r",
        "with a bare CR in its extension": "5;a\rb", "with a bare LF in its extension": "5;a\nb",
        "with a zero byte in its extension": "5;a\u{00}b", "behind a semicolon": ";5", "with a comma": "5,5",
    ]) { ("chunk size \($0)", Self.chunks("\($1)\r\nhello\r\n0\r\n\r\n")) }

    private static let goodChunks: [Self] = [
        .taken("chunk size in capitals", Self.chunks("A\r\nhellohello\r\n0\r\n\r\n"), echo: "hellohello"),
        .taken("chunk size in small letters", Self.chunks("a\r\nhellohello\r\n0\r\n\r\n"), echo: "hellohello"),
        .taken("chunk size with leading zeros", Self.chunks("0005\r\nhello\r\n000\r\n\r\n"), echo: "hello"),
        .taken("chunk extension", Self.chunks("5;a=b\r\nhello\r\n0;c\r\n\r\n"), echo: "hello"),
        .taken("chunk extension in quotes", Self.chunks("5;a=\"b c\"\r\nhello\r\n0\r\n\r\n"), echo: "hello"),
        .taken("two chunks", Self.chunks("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), echo: "hello!"),
        .refused(
            "chunk size 2 to the 64th less one", Self.chunks("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
            with: [400, 408, 413]),
        .refused(
            "chunk size 2 to the 63rd", Self.chunks("8000000000000000\r\nhello\r\n0\r\n\r\n"), with: [400, 408, 413]),
        .taken("no chunk but the last", Self.chunks("0\r\n\r\n"), echo: ""),
    ]

    private static let chunkEnds: [Self] = Self.refused(each: [
        "without its line end": "5\r\nhello0\r\n\r\n", "longer than it says": "5\r\nhello!!\r\n0\r\n\r\n",
        "ended by a bare LF": "5\r\nhello\n0\r\n\r\n", "ended by a bare CR": "5\r\nhello\r0\r\n\r\n",
        "ended by two CRs": "5\r\nhello\r\r\n0\r\n\r\n",
        "whose size ends with a bare LF": "5\nhello\r\n0\r\n\r\n",
        "whose size ends with a bare CR": "5\rhello\r\n0\r\n\r\n",
        "all of whose lines end with a bare LF": "5\nhello\n0\n\n",
        "the last ended by a bare LF": "5\r\nhello\r\n0\n\r\n",
        "with a bare LF at the very end": "5\r\nhello\r\n0\r\n\n",
        "the last negative": "5\r\nhello\r\n-0\r\n\r\n",
        "with a line too many before": "\r\n5\r\nhello\r\n0\r\n\r\n",
    ]) { ("chunk \($0)", Self.chunks($1)) }

    private static let trailers: [Self] = Self.refused(each: [
        "without a colon": "nothing\r\n", "with a blank before its colon": "X : y\r\n",
        "on two lines": "X: y\r\n z\r\n",
        "ended by a bare LF": "X: y\n", "with a bare CR": "X: y\rz\r\n", "with a zero byte": "X: y\u{00}\r\n",
        "without a name": ": y\r\n", "behind a blank": " X: y\r\n",
    ]) { ("trailer \($0)", Self.chunks("5\r\nhello\r\n0\r\n\($1)\r\n")) }

    /// They count for nothing, or else the connection ends with the answer or a refusal.
    private static let goodTrailers: [Self] = [
        "X: y\r\n", "Content-Length: 44\r\n", "Transfer-Encoding: chunked\r\n", "Host: elsewhere\r\n",
        "Connection: close\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n", "Expect: 100-continue\r\n",
    ].map { trailer in
        Self(
            name: "trailer", text: Self.chunks("5\r\nhello\r\n0\r\n\(trailer)\r\n"),
            outcomes: [[[200], [200]], [[200]], [[400]]], echo: "hello")
    }

    /// What has no end in sight: 100 kB of what everybody throws away.
    private static let endless: [Self] = [
        .refused(
            "a very long chunk extension",
            Self.chunks("5;\(String(repeating: "x", count: 100_000))\r\nhello\r\n0\r\n\r\n"), with: [400, 413, 431]),
        .refused(
            "a very long trailer",
            Self.chunks("5\r\nhello\r\n0\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n"),
            with: [400, 413, 431]),
    ]

    // MARK: Lines (RFC 9112 §2.2)

    private static let lineEnds: [Self] = [
        .refused("every line ends with a bare LF", "GET /_drill/hello HTTP/1.1\nHost: localhost\n\n"),
        .refused("the request line ends with a bare LF", "GET /_drill/hello HTTP/1.1\nHost: localhost\r\n\r\n"),
        .refused("a field ends with a bare LF", "GET /_drill/hello HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"),
        .refused("the head ends with a bare LF", "GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\n"),
        .refused("the last field and the head end with a bare LF", "GET /_drill/hello HTTP/1.1\r\nHost: localhost\n\n"),
        .refused("the request line ends with a bare CR", "GET /_drill/hello HTTP/1.1\rHost: localhost\r\n\r\n"),
        .refused("the request line ends with two CRs", "GET /_drill/hello HTTP/1.1\r\r\nHost: localhost\r\n\r\n"),
        .refused("a field ends with a bare CR", "GET /_drill/hello HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n"),
        .refused("a field ends with two CRs", "GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\r\n\r\n"),
        .refused("the head ends with a bare CR", "GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\r"),
        .refused("a bare CR in a target", "GET /_drill/hello\r HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        .refused("a bare LF in a target", "GET /_drill/hello\n HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        .refused("a bare CR first", "\rGET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        .refused("a blank before the first line", " GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        .refused("a zero byte before the first line", "\u{00}GET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        .refused(
            "a blank before the first field",
            "GET /_drill/hello HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\n\r\n"),
        .refused("a line of blanks first", "GET /_drill/hello HTTP/1.1\r\n \r\nHost: localhost\r\n\r\n"),
        .taken("an empty line first", "\r\nGET /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ]

    // MARK: Fields (RFC 9112 §5, RFC 9110 §5)

    private static let fields: [Self] = Self.refused(each: [
        "a blank before the colon": "X : y\r\n", "a tab before the colon": "X\t: y\r\n",
        "a field on two lines": "X: y\r\n z\r\n",
        "a field on two lines by a tab": "X: y\r\n\tz\r\n", "a line of blanks only": "X: y\r\n  \r\n",
        "a name behind a blank": " X: y\r\n", "a field without a colon": "nothing\r\n",
        "a field without a name": ": y\r\n",
        "a colon alone": ":\r\n", "a zero byte in a value": "X: a\u{00}b\r\n",
        "a zero byte in a name": "X\u{00}Y: a\r\n",
        "a control character in a value": "X: a\u{01}b\r\n", "a vertical tab in a value": "X: a\u{0B}b\r\n",
        "an escape in a value": "X: a\u{1B}b\r\n", "a delete in a value": "X: a\u{7F}b\r\n",
        "a control character in a name": "X\u{01}: a\r\n",
        "a delete in a name": "X\u{7F}: a\r\n", "a name with a bracket": "X(Y: a\r\n",
        "a name with a blank": "X Y: a\r\n",
        "a name with an at sign": "X@Y: a\r\n", "a name with a slash": "X/Y: a\r\n",
        "a name with quotes": "\"X\": a\r\n",
        "a name with an equals sign": "X=Y: a\r\n", "a name with a high byte": "X\u{E9}: a\r\n",
        "a name with a brace": "X{: a\r\n",
        "a bare CR in a value": "X: a\rb\r\n", "a bare CR in a name": "X\rY: a\r\n",
        "a bare LF in a value": "X: a\nb\r\n",
        "a bare CR before a value": "X:\ry\r\n",
    ]) { ($0, Self.get($1)) }

    private static let goodFields: [Self] = [
        .taken("an empty value", Self.get("X:\r\n")), .taken("a value of blanks", Self.get("X: \t \r\n")),
        .taken("high bytes in a value", Self.get("X: \u{C3}\u{A9}\u{80}\u{FF}\r\n")),
        .taken("a tab in a value", Self.get("X: a\tb\r\n")),
        .taken("every sign a name may have", Self.get("!#$%&'*+-.^_`|~09: y\r\n")),
    ]

    // MARK: Host (RFC 9112 §3.2, RFC 3986 §3.2)

    private static let hosts: [Self] = Self.refused(each: [
        "none": "", "two": "Host: localhost\r\nHost: elsewhere\r\n",
        "two equal ones": "Host: localhost\r\nHost: localhost\r\n",
        "two words": "Host: a b\r\n", "with a user": "Host: a@b\r\n",
        "with a path": "Host: localhost/path\r\n",
        "with a query": "Host: localhost?a\r\n", "with a fragment": "Host: localhost#a\r\n",
        "with a backslash": "Host: a\\b\r\n",
        "with a tab": "Host: a\tb\r\n", "with a scheme": "Host: http://localhost\r\n",
        "with a port of letters": "Host: localhost:http\r\n",
        "with a port too large": "Host: localhost:99999\r\n", "with two ports": "Host: localhost:1:2\r\n",
        "with a signed port": "Host: localhost:+80\r\n", "an unclosed bracket": "Host: [::1\r\n",
        "a bracket alone": "Host: ]\r\n",
        "behind a bracket": "Host: [::1]a\r\n", "with a high byte": "Host: loc\u{E9}l\r\n",
        "with quotes": "Host: \"localhost\"\r\n",
        "with angles": "Host: <localhost>\r\n", "a port alone": "Host: :80\r\n",
        "with a bad escape": "Host: a%zzb\r\n",
        "empty": "Host:\r\n", "blanks": "Host: \t\r\n",
    ]) { ("host: \($0)", Self.host($1)) }

    private static let goodHosts: [Self] = [
        .taken("host: a port", Self.host("Host: localhost:5000\r\n")),
        .taken("host: an empty port", Self.host("Host: localhost:\r\n")),
        .taken("host: IPv4", Self.host("Host: 127.0.0.1\r\n")), .taken("host: IPv6", Self.host("Host: [::1]\r\n")),
        .taken("host: IPv6 and a port", Self.host("Host: [::1]:5000\r\n")),
        .taken("host: an underscore", Self.host("Host: a_b.c-d.\r\n")),
    ]

    // MARK: Targets (RFC 9112 §3.2)

    private static let targets: [Self] = Self.refused(
        each: [
            "without a slash": "_drill/hello", "with a blank": "/_drill/hello x", "with a tab": "/_drill/\thello",
            "with a zero byte": "/_drill/hello\u{00}", "with a control character": "/_drill/hello\u{01}",
            "with a delete": "/_drill/hello\u{7F}",
            "with a high byte": "/_drill/hell\u{F6}", "with a fragment": "/_drill/hello#top", "an asterisk": "*",
            "a URL with a user": "http://a@localhost/_drill/hello", "a URL without a host": "http:///_drill/hello",
            "a URL with a bad host": "http://a\\b/_drill/hello",
            "a URL with a bad port": "http://localhost:x/_drill/hello", "a host and port": "localhost:80",
            "a question": "?a",
        ]
    ) { ("target: \($0)", Self.get("", target: $1)) }

    private static let goodTargets: [Self] = [
        .taken("target: a URL", Self.get("", target: "http://localhost/_drill/hello")),
        .either(
            "target: a URL of another host", Self.get("", target: "http://elsewhere/_drill/hello"),
            leniency: "The field counts for nothing then (RFC 9112 §3.2.2)."),
        .either("target: a URL of another kind", Self.get("", target: "ftp://localhost/_drill/hello")),
        .refused("target: a URL without a Host field", "GET http://localhost/_drill/hello HTTP/1.1\r\n\r\n"),
        .taken("target: two slashes first", Self.get("", target: "//_drill/hello"), with: [200, 404]),
        .taken("target: escapes", Self.get("", target: "/_drill/hello?a=%20b&c")),
    ]

    // MARK: Request lines (RFC 9112 §3)

    private static let requestLines: [Self] = Self.refused(
        each: [
            "a tab before the target": "GET\t/_drill/hello HTTP/1.1\r\n",
            "a tab before the version": "GET /_drill/hello\tHTTP/1.1\r\n",
            "a vertical tab before the target": "GET\u{0B}/_drill/hello HTTP/1.1\r\n",
            "a blank at its end": "GET /_drill/hello HTTP/1.1 \r\n",
            "a word at its end": "GET /_drill/hello HTTP/1.1 x\r\n", "no version": "GET /_drill/hello\r\n",
            "an empty version": "GET /_drill/hello \r\n",
            "no target": "GET HTTP/1.1\r\n", "no method": "/_drill/hello HTTP/1.1\r\n",
            "only a method": "GET\r\n",
            "HTTP/2.0": "GET /_drill/hello HTTP/2.0\r\n", "HTTP/3": "GET /_drill/hello HTTP/3\r\n",
            "HTTP/0.9": "GET /_drill/hello HTTP/0.9\r\n",
            "HTTP/1.10": "GET /_drill/hello HTTP/1.10\r\n",
            "HTTP/01.1": "GET /_drill/hello HTTP/01.1\r\n",
            "HTTP/1": "GET /_drill/hello HTTP/1\r\n", "HTTP/1.": "GET /_drill/hello HTTP/1.\r\n",
            "a small version": "GET /_drill/hello http/1.1\r\n",
            "HTTP with a blank": "GET /_drill/hello HTTP /1.1\r\n", "HTTPS": "GET /_drill/hello HTTPS/1.1\r\n",
            "a version with a sign": "GET /_drill/hello HTTP/+1.1\r\n",
            "a method in small letters": "get /_drill/hello HTTP/1.1\r\n",
            "an unknown method": "FETCH /_drill/hello HTTP/1.1\r\n",
            "a method with a bracket": "G(T /_drill/hello HTTP/1.1\r\n",
            "a method with a zero byte": "GET\u{00} /_drill/hello HTTP/1.1\r\n",
            "a very long method": "\(String(repeating: "G", count: 10_000)) /_drill/hello HTTP/1.1\r\n",
            "a shorter method": "GE /_drill/hello HTTP/1.1\r\n",
            "a longer method": "GETT /_drill/hello HTTP/1.1\r\n",
        ], with: [400, 405, 414, 501, 505]
    ) { ("request line: \($0)", Self.line($1)) }

    private static let oldVersions: [Self] = [
        .taken("request line: HTTP/1.0 kept alive", "GET /_drill/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        Self(name: "request line: HTTP/1.0", text: "GET /_drill/hello HTTP/1.0\r\n\r\n", outcomes: [[[200]]]),
        // RFC 9112 §3 lets a server split the line at any number of blanks; nginx and HAProxy do as well.
        .either("request line: two blanks before the target", Self.line("GET  /_drill/hello HTTP/1.1\r\n")),
        .either("request line: two blanks before the version", Self.line("GET /_drill/hello  HTTP/1.1\r\n")),
        .either("request line: HTTP/1.2", Self.line("GET /_drill/hello HTTP/1.2\r\n")),
    ]

    // MARK: Other things

    private static let others: [Self] = [
        .taken(
            "expects to be told to go on", Self.post("Expect: 100-continue\r\nContent-Length: 5\r\n"), echo: "hello"),
        .taken(
            "expects it in other letters", Self.post("Expect: 100-Continue\r\nContent-Length: 5\r\n"), echo: "hello"),
        .taken("expects it without a body", Self.get("Expect: 100-continue\r\n")),
        .taken(
            "expects it in HTTP/1.0",
            "POST /_drill/echo HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            echo: "hello"),
        .refused("expects something else", Self.post("Expect: 200-ok\r\nContent-Length: 5\r\n"), with: [417]),
        .refused("expects two things", Self.post("Expect: 100-continue, 200-ok\r\nContent-Length: 5\r\n"), with: [417]),
        .refused(
            "expects two things on two lines",
            Self.post("Expect: 100-continue\r\nExpect: 200-ok\r\nContent-Length: 5\r\n"), with: [417]),
        .either("TRACE", Self.line("TRACE /_drill/hello HTTP/1.1\r\n"), with: [404, 405, 501]),
        .either("OPTIONS *", Self.line("OPTIONS * HTTP/1.1\r\n"), with: [200, 204, 404, 405, 501]),
        Self(
            name: "wants to change to HTTP/2",
            text: Self.get(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"),
            outcomes: [[[200]], [[200], [200]], [[400, 426]]]),
        .refused("CONNECT", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", with: [400, 404, 405, 501]),
        .refused(
            "CONNECT to a path", "CONNECT /_drill/hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
            with: [400, 404, 405, 501]),
        .refused(
            "CONNECT with a body",
            "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nContent-Length: 5\r\n\r\nhello",
            with: [400, 404, 405, 501]),
        .refused(
            "the preface of HTTP/2 to HTTP/1", "PRI * HTTP/2.0\r\nHost: localhost\r\n\r\nSM\r\n\r\n",
            with: [400, 405, 505]),
    ]
}
