// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct MetricFormatTests {
    /// What scrapers send, and what they are told (Prometheus, "Scrape protocol content negotiation").
    @Test(arguments: [
        (nil, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        // curl, and a browser.
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/plain; version=0.0.4; charset=utf-8"),
        // Prometheus 2.42.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        ),
        // The same with native histograms.
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
                + "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        ),
        // Prometheus 2.26.
        (
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=0.0.1; charset=utf-8"
        ),
        // Prometheus 3.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        ),
        (
            "text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.3",
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        ),
        // A way of writing names that we do not have is answered with the one that we use.
        ("text/plain;version=1.0.0;escaping=values", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
        // The old format has no quoted names.
        ("text/plain;version=0.0.4;escaping=allow-utf-8", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;escaping=\"allow-utf-8\"",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        ),
        ("APPLICATION/OpenMetrics-Text;Q=0.5", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ])
    func `a scraper is told what it gets`(accept: String?, contentType: String) {
        #expect(MetricFormat.negotiate(accept: accept).contentType == contentType)
    }
}
