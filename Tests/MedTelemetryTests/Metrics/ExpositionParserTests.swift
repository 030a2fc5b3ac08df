// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

/// The parser is a referee of the pages, so it is shown what the specification says about each kind of page.
@Suite struct ExpositionParserTests {
    private func parse(_ page: String, isOpenMetrics: Bool = true) throws -> [ExpositionParser.Family] {
        try ExpositionParser.parse(Array(page.utf8), isOpenMetrics: isOpenMetrics)
    }

    /// What the sections of OpenMetrics 1.0 show as right.
    @Test(arguments: [
        "",
        // A page of several families, with times and exponents.
        """
        # TYPE acme_http_router_request_seconds summary
        # UNIT acme_http_router_request_seconds seconds
        # HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
        acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
        acme_http_router_request_seconds_count{path="/api/v1",method="GET"} 807283.0
        acme_http_router_request_seconds_created{path="/api/v1",method="GET"} 1605281325.0
        acme_http_router_request_seconds_sum{path="/api/v2",method="POST"} 479.3
        acme_http_router_request_seconds_count{path="/api/v2",method="POST"} 34.0
        # TYPE go_goroutines gauge
        go_goroutines 69
        # TYPE process_cpu_seconds counter
        # UNIT process_cpu_seconds seconds
        process_cpu_seconds_total 4.20072246e+06

        """,
        // Metadata.
        "# TYPE foo counter\n", "# TYPE foo_seconds counter\n# UNIT foo_seconds seconds\n",
        "# TYPE foo_seconds counter\n",
        "# TYPE foo_seconds counter\n# UNIT foo_seconds seconds\n# HELP foo_seconds Some text and \\n some \\\" escaping\n",
        "# TYPE foo counter\n# HELP foo \n# UNIT foo \nfoo_total 1\n",
        // Labels.
        "bar_seconds_count 0\n", "bar_seconds_count{} 0\n",
        "bar_seconds_count{a=\"x\",b=\"escaping\\\" example \\n \"} 0\n",
        // Points.
        """
        # TYPE foo_seconds summary
        # UNIT foo_seconds seconds
        foo_seconds_count{a="bb"} 0 123
        foo_seconds_sum{a="bb"} 0 123
        foo_seconds_count{a="bb"} 0 456
        foo_seconds_sum{a="bb"} 0 456
        foo_seconds_count{a="ccc"} 0 123
        foo_seconds_sum{a="ccc"} 0 123

        """,
        // Gauges.
        "# TYPE foo gauge\nfoo 17.0\n", "# TYPE foo gauge\nfoo{a=\"bb\"} 17.0\nfoo{a=\"ccc\"} 17.0\n",
        "# TYPE foo gauge\n",
        "# TYPE foo gauge\nfoo{a=\"b\"} 17.0 1520879607.789\n", "# TYPE foo gauge\nfoo 17.0 123\nfoo 18.0 456\n",
        // Counters.
        "# TYPE foo counter\nfoo_total 17.0\n", "# TYPE foo counter\nfoo_total 17.0 1520879607.789\n",
        "# TYPE foo counter\nfoo_total 17.0\nfoo_created 1520430000.123\n",
        "# TYPE foo counter\nfoo_total 17.0 1520879607.789\nfoo_created 1520430000.123 1520879607.789\n",
        // Sets of states, infos, summaries.
        "# TYPE foo stateset\nfoo{foo=\"a\"} 0\nfoo{foo=\"bb\"} 1\nfoo{foo=\"ccc\"} 0\n",
        "# TYPE foo stateset\nfoo{entity=\"controller\",foo=\"a\"} 1.0\nfoo{entity=\"replica\",foo=\"a\"} 1.0\n",
        "# TYPE foo info\nfoo_info{name=\"pretty name\",version=\"8.2.7\"} 1\n",
        "# TYPE foo summary\nfoo_count 17.0\nfoo_sum 324789.3\nfoo_created 1520430000.123\n",
        "# TYPE foo summary\nfoo{quantile=\"0.95\"} 123.7\nfoo{quantile=\"0.99\"} 150.0\n",
        // Histograms.
        """
        # TYPE foo histogram
        foo_bucket{le="0.0"} 0
        foo_bucket{le="1e-05"} 0
        foo_bucket{le="0.0001"} 5
        foo_bucket{le="0.1"} 8
        foo_bucket{le="1.0"} 10
        foo_bucket{le="100000.0"} 11
        foo_bucket{le="1e+06"} 15
        foo_bucket{le="1.1e+23"} 17
        foo_bucket{le="+Inf"} 17
        foo_count 17
        foo_sum 324789.3
        foo_created 1520430000.123

        """,
        """
        # TYPE foo histogram
        foo_bucket{le="0.01"} 0
        foo_bucket{le="0.1"} 8 # {} 0.054
        foo_bucket{le="1"} 11 # {trace_id="KOO5S4vxi0o"} 0.67
        foo_bucket{le="10"} 17 # {trace_id="oHg5SJYRHA0"} 9.8 1520879607.789
        foo_bucket{le="+Inf"} 17
        foo_count 17
        foo_sum 324789.3

        """,
        """
        # TYPE foo gaugehistogram
        foo_bucket{le="0.01"} 20.0
        foo_bucket{le="10"} 34.0
        foo_bucket{le="+Inf"} 42.0
        foo_gcount 42.0
        foo_gsum 3289.3

        """,
        "# TYPE foo unknown\nfoo 42.23\n",
        // Numbers.
        "a 0042\nb +inF\nc nan\nd -Infinity\ne .5\nf 5.\ng 1E5\n",
        // Names of Prometheus 3.
        "# TYPE \"my.metric\" gauge\n{\"my.metric\",\"a.b\"=\"c\"} 1\n{\"my.metric\"} 2\n",
    ])
    func `what the specification calls right is read`(page: String) throws {
        _ = try self.parse(page + "# EOF\n")
        _ = try self.parse(page + "# EOF")
    }

    /// What the text of OpenMetrics 1.0 forbids, and where it says so.
    @Test(arguments: [
        // "Overall Structure": the end, and nothing but it.
        "", "a 1\n", "a 1\n# EOF\n\n", "a 1\n# EOF\nb 1\n", "a 1\n# EOFb\n", "a 1\n# eof\n", "\n# EOF\n",
        "a 1\n\n# EOF\n",
        "a 1\r\n# EOF\n", "\u{FEFF}a 1\n# EOF\n",
        // The ABNF: labels.
        "a{a=1} 1\n# EOF\n", "a{a=\"1} 1\n# EOF\n", "a{a='1'} 1\n# EOF\n", "a{a=\"1\"b=\"2\"} 1\n# EOF\n",
        "a{a=\"1\",,b=\"2\"} 1\n# EOF\n", "a{a=\"1\",} 1\n# EOF\n", "a{,a=\"1\"} 1\n# EOF\n",
        "a{a=\"1\",a=\"2\"} 1\n# EOF\n",
        "a{1a=\"1\"} 1\n# EOF\n", "a{a:b=\"1\"} 1\n# EOF\n", "a{ a=\"1\"} 1\n# EOF\n", "a{a=\"1\"}1\n# EOF\n",
        "a {a=\"1\"} 1\n# EOF\n", "a{a=\"\\\"} 1\n# EOF\n",
        // Values and times.
        "a\n# EOF\n", "a \n# EOF\n", "a  1\n# EOF\n", "a 1 \n# EOF\n", "a 1\t\n# EOF\n", "a b\n# EOF\n",
        "a 1_000\n# EOF\n",
        "a 0x1\n# EOF\n", "a 1e\n# EOF\n", "a .\n# EOF\n", "a nan(1)\n# EOF\n", "a 1 z\n# EOF\n", "a 1 1.1.1\n# EOF\n",
        "a 1 NaN\n# EOF\n", "a 1 Inf\n# EOF\n", "a 1  1\n# EOF\n",
        // Names.
        "0a 1\n# EOF\n", "a.b 1\n# EOF\n", "a-b 1\n# EOF\n", "{\"a\",\"b\"} 1\n# EOF\n", "{a=\"b\"} 1\n# EOF\n",
        "# TYPE a.b gauge\n# EOF\n",
        // Metadata.
        "# HELP\n# EOF\n", "# HELP a\n# EOF\n", " # HELP a b\n# EOF\n", "# TYPE a\n# EOF\n", "# TYPE a meh\n# EOF\n",
        "# TYPE a gauge \n# EOF\n", "# TYPE a untyped\n# EOF\n", "# UNIT a\n# EOF\n",
        "# TYPE foo counter\n# UNIT foo seconds\n# EOF\n",
        "# comment\n# EOF\n", "#\n# EOF\n", "# HELP a \\\n# EOF\n", "# TYPE x_u info\n# UNIT x_u u\n# EOF\n",
        "# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "# HELP a b\n# HELP a b\n# EOF\n",
        "# TYPE a gauge\na 1\n# HELP a b\n# EOF\n",
        "# TYPE a gauge\n# TYPE b gauge\n# HELP a b\n# EOF\n",
        // "Suffixes": names in common.
        "# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 1\n# EOF\n",
        "# TYPE a histogram\n# TYPE a_sum gauge\n# EOF\n", "# TYPE a gauge\na 1\n# TYPE a gauge\na 1\n# EOF\n",
        // Families, series and points that are not together.
        "# TYPE a gauge\na 1\nb 1\na 2 1\n# EOF\n",
        "# TYPE s summary\ns_count{a=\"b\"} 0 1\ns_count{a=\"c\"} 0 1\ns_count{a=\"b\"} 0 4\ns_count{a=\"c\"} 0 4\n# EOF\n",
        "# TYPE s summary\ns_count 0 123\ns_count 0 456\ns_sum 0 123\ns_sum 0 456\n# EOF\n",
        "# TYPE a gauge\na 1\na 1 5\n# EOF\n", "# TYPE a gauge\na 1 5\na 1 4\n# EOF\n",
        "# TYPE a gauge\na 1\na 2\n# EOF\n",
        "# TYPE a gauge\na{b=\"c\",d=\"e\"} 1\na{d=\"e\",b=\"c\"} 1\n# EOF\n",
        // Counters.
        "# TYPE a counter\na_total -1\n# EOF\n", "# TYPE a counter\na_total NaN\n# EOF\n",
        "# TYPE a counter\na_created 1 # {a=\"b\"} 1\n# EOF\n",
        // Histograms.
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n", "# TYPE a histogram\na_bucket 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} NaN\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 0.5\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+INF\"} 1\n# EOF\n", "# TYPE a histogram\na_bucket{le=\"NaN\"} 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"2\"} 0\na_bucket{le=\"1\"} 0\na_bucket{le=\"+Inf\"} 0\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum -1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"-1\"} 1\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n# EOF\n",
        "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gcount 1\na_gsum -1\n# EOF\n",
        // Exemplars.
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 #\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1# {} 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 #{} 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 # {}1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 # {} 1 \n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 # {} 1 NaN\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 1 # {} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
        "# TYPE a gauge\na 1 # {} 1\n# EOF\n",
        "# TYPE a counter\na_total 1 # {a=\"" + String(repeating: "x", count: 128) + "\"} 1\n# EOF\n",
        // Sets of states, infos, summaries.
        "# TYPE a stateset\na 1\n# EOF\n", "# TYPE a stateset\na{a=\"b\"} 2\n# EOF\n",
        "# TYPE a info\na_info 2\n# EOF\n",
        "# TYPE a summary\na{quantile=\"2\"} 1\n# EOF\n", "# TYPE a summary\na 1\n# EOF\n",
        "# TYPE a summary\na{quantile=\"0.5\"} -1\n# EOF\n",
    ])
    func `what the specification calls wrong is refused`(page: String) {
        #expect(throws: ExpositionParser.Failure.self) { try self.parse(page) }
    }

    @Test func `what is no text is refused`() {
        #expect(throws: ExpositionParser.Failure.self) {
            try ExpositionParser.parse([UInt8(ascii: "a"), 0xff], isOpenMetrics: false)
        }
    }

    @Test func `everything of a line is read`() throws {
        let families = try self.parse(
            """
            # TYPE a_seconds histogram
            # UNIT a_seconds seconds
            # HELP a_seconds b\\\\c\\nd\\"e\\x
            a_seconds_bucket{x="1\\n\\\\\\"",le="+Inf"} 1 5 # {t="u"} 0.5 6
            # EOF

            """)
        #expect(
            families == [
                .init(
                    name: "a_seconds", type: "histogram", unit: "seconds", help: "b\\c\nd\"e\\x",
                    samples: [
                        .init(
                            name: "a_seconds_bucket",
                            labels: [.init(name: "x", value: "1\n\\\""), .init(name: "le", value: "+Inf")], value: 1,
                            timestamp: 5,
                            exemplar: .init(labels: [.init(name: "t", value: "u")], value: 0.5, timestamp: 6))
                    ])
            ])
    }

    /// Where the old format differs.
    @Test func `the old format has comments, empty lines, counters without a suffix, and no exemplars`() throws {
        let page =
            "# a comment\n\n# HELP c_total a \\\\ b \"c\"\n# TYPE c_total counter\nc_total{a=\"b\",} 1 1395066363000\nx 1\n"
        let families = try self.parse(page, isOpenMetrics: false)
        #expect(families.map(\.name) == ["c_total", "x"] && families.first?.help == "a \\ b \"c\"")
        for page in [
            "a 1", "a 1 # {} 1\n", "# TYPE a unknown\n", "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n",
            "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n", "# TYPE a counter\n# TYPE a counter\n",
        ] {
            #expect(throws: ExpositionParser.Failure.self, "\(page)") { try self.parse(page, isOpenMetrics: false) }
        }
    }
}
