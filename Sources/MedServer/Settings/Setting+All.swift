// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedTelemetry

extension Setting {
    /// Every setting, in the order in which people meet them.
    public static let all: [Setting] = [
        .appEnvironment, .port, .host, .managementPort,
        .tlsCertificateFile, .tlsKeyFile, .tlsClientCAFile, .tlsClientCertificate,
        .healthAllow, .trustedProxies, .managementToken,
        .databaseURL, .databaseDirectURL, .databaseTLS, .databasePoolSize, .databaseMigrate,
        .phiEncryptionKey, .phiEncryption,
        .stateDirectory,
        .logLevel, .logFormat, .logSpillFile, .metrics,
        .drainDelay, .grace, .deadline,
        .headerTimeout, .idleTimeout, .bodyTimeout,
        .maxConnections, .maxRequestsPerConnection, .maxHeaderBytes, .maxBodyBytes,
        .liveStall, .traps,
        .drillRoutes, .drillStart, .drillStartDelay, .drillCleanUp,
    ]

    static let appEnvironment = Setting(
        "app.env", "APP_ENV", .oneOf(AppEnvironment.allCases.map(\.rawValue)),
        default: .fixed("development"),
        meaning: "Where the server runs; staging and production demand a database and a PHI key of their own."
    )
    static let port = Setting(
        "port", "PORT", .wholeNumber(0...65535),
        default: .fixed("5000"),
        meaning: "The port to listen on; 0 takes a free one."
    )
    static let host = Setting(
        "host", "HOST", .text("an IP address or a host name, without a port"),
        default: .fixed("0.0.0.0"),
        meaning: "The address to listen on; :: is every address of both families."
    )
    static let managementPort = Setting(
        "management.port", "MANAGEMENT_PORT", .wholeNumber(0...65535),
        default: .dependent("none: the main port answers everything"),
        meaning:
            "A port for probes and operators, without TLS; /health, /metrics, /status and /log-level are there only. 0 takes a free one."
    )
    static let tlsCertificateFile = Setting(
        "tls.certificateFile", "TLS_CERTIFICATE_FILE", .text("the path of a PEM file"),
        default: .dependent("none: the port does not speak TLS"),
        meaning: "The certificate and those that vouch for it; read again on SIGHUP and when it changes."
    )
    static let tlsKeyFile = Setting(
        "tls.keyFile", "TLS_KEY_FILE", .text("the path of a PEM file"),
        default: .dependent("none"),
        meaning: "The private key of the certificate, without a passphrase."
    )
    static let tlsClientCAFile = Setting(
        "tls.clientCaFile", "TLS_CLIENT_CA_FILE", .text("the path of a PEM file"),
        default: .dependent("none: clients are not asked for a certificate"),
        meaning: "The authorities that must have signed a client's certificate."
    )
    static let tlsClientCertificate = Setting(
        "tls.clientCertificate", "TLS_CLIENT_CERTIFICATE",
        .oneOf(Settings.TLS.ClientCertificate.allCases.map(\.rawValue)),
        default: .fixed("optional"),
        meaning: "Whether a client may do without a certificate, where there is a TLS_CLIENT_CA_FILE."
    )
    static let healthAllow = Setting(
        "health.allow", "HEALTH_ALLOW", .text(AddressRange.rule),
        default: .dependent("everybody"),
        meaning: "Who gets /health, /metrics and /status; for others there are no such pages."
    )
    static let trustedProxies = Setting(
        "trusted.proxies", "TRUSTED_PROXIES", .text(AddressRange.rule),
        default: .dependent("none"),
        meaning: "Whose Forwarded and X-Forwarded-For say who the client is."
    )
    public static let databaseURL = Setting(
        "database.url", "DATABASE_URL", .text("sqlite:PATH, or postgres:// with what libpq takes"),
        default: .dependent("sqlite:\(Settings.Database.defaultPath); none in staging and production"),
        isSecret: true,
        meaning: "Where the data is stored."
    )
    public static let databaseDirectURL = Setting(
        "database.directUrl", "DATABASE_DIRECT_URL", .text("postgres:// with what libpq takes"),
        default: .dependent("none: database.url is the way to the server itself"),
        isSecret: true,
        meaning: "The way past a pooler such as pgbouncer, for migrations."
    )
    static let databaseTLS = Setting(
        "database.tls", "DATABASE_TLS", .oneOf(Settings.Database.TLS.allCases.map(\.rawValue)),
        default: .fixed("verified"),
        meaning:
            "Whether a Postgres server elsewhere must prove who it is, in staging and production: sslmode=verify-full."
    )
    static let databasePoolSize = Setting(
        "database.poolSize", "DATABASE_POOL_SIZE", .wholeNumber(1...1000),
        default: .fixed("6"),
        meaning: "How many connections to a Postgres server there are at most; the health check has one more."
    )
    static let databaseMigrate = Setting(
        "database.migrate", "DATABASE_MIGRATE", .oneOf(Settings.Database.Migration.allCases.map(\.rawValue)),
        default: .dependent("auto in development and test and for the default SQLite file, else off"),
        meaning: "Whether serve brings the schema up to date itself; with off, medbuilder migrate does."
    )
    static let phiEncryptionKey = Setting(
        "phi.encryptionKey", "PHI_ENCRYPTION_KEY", .text("base64 of 32 bytes"),
        default: .dependent("a development key, made on first start; none in staging and production"),
        isSecret: true,
        meaning: "The key that PHI is encrypted with."
    )
    static let phiEncryption = Setting(
        "phi.encryption", "PHI_ENCRYPTION", .onOff,
        default: .fixed("on"),
        meaning: "Whether PHI is encrypted; off is for development and test alone."
    )
    static let stateDirectory = Setting(
        "medbuilder.stateDir", "MEDBUILDER_STATE_DIR", .text("the path of a folder"),
        default: .fixed("./.medbuilder"),
        meaning: "The folder for whatever is written to disk besides the database."
    )
    static let logLevel = Setting(
        "log.level", "LOG_LEVEL",
        .text(
            "a level (\(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))), or several: info,medbuilder.access=warning"
        ),
        default: .fixed("info"),
        meaning:
            "The least severe log record that is written, also by the beginnings of loggers' names; read again on SIGHUP."
    )
    static let logSpillFile = Setting(
        "log.spillFile", "LOG_SPILL_FILE", .text("the path of a file"),
        default: .dependent("log-spill in medbuilder.stateDir"),
        meaning: "Where records from error on wait while nobody reads the log."
    )
    static let metrics = Setting(
        "metrics", "METRICS", .onOff,
        default: .fixed("on"),
        meaning: "Whether the server measures itself and shows it at /metrics."
    )
    static let managementToken = Setting(
        "management.token", "MANAGEMENT_TOKEN", .text("16 to 256 characters without blanks"),
        default: .dependent("none: only this machine may"),
        isSecret: true,
        meaning: "What changes the log's levels on the management port from elsewhere, as Authorization: Bearer."
    )
    static let logFormat = Setting(
        "log.format", "LOG_FORMAT", .oneOf(LogFormat.allCases.map(\.rawValue)),
        default: .dependent("text in development, else json"),
        meaning: "How a log record is written: json for machines, text for people."
    )
    static let drainDelay = Setting(
        "shutdown.drainDelaySeconds", "SHUTDOWN_DRAIN_DELAY_SECONDS", .seconds(.zero ... .seconds(3600)),
        default: .fixed("0"),
        meaning: "How long requests are still served after /ready has turned 503, so that a load balancer can notice."
    )
    static let grace = Setting(
        "shutdown.graceSeconds", "SHUTDOWN_GRACE_SECONDS", .seconds(.zero ... .seconds(3600)),
        default: .fixed("5"),
        meaning: "How long running requests then have to finish before they are cancelled."
    )
    static let deadline = Setting(
        "shutdown.deadlineSeconds", "SHUTDOWN_DEADLINE_SECONDS", .seconds(.milliseconds(100) ... .seconds(3600)),
        default: .fixed("30"),
        meaning: "How long after the signal the process exits regardless; above drain delay and grace together."
    )
    static let headerTimeout = Setting(
        "http.headerTimeoutSeconds", "HTTP_HEADER_TIMEOUT_SECONDS", .seconds(.milliseconds(100) ... .seconds(3600)),
        default: .fixed("10"),
        meaning: "How long a client may take to send the head of a request."
    )
    static let idleTimeout = Setting(
        "http.idleTimeoutSeconds", "HTTP_IDLE_TIMEOUT_SECONDS", .seconds(.milliseconds(100) ... .seconds(86400)),
        default: .fixed("75"),
        meaning: "How long a connection may wait for its next request; above the load balancer's own limit."
    )
    static let bodyTimeout = Setting(
        "http.bodyTimeoutSeconds", "HTTP_BODY_TIMEOUT_SECONDS", .seconds(.milliseconds(100) ... .seconds(3600)),
        default: .fixed("30"),
        meaning: "How long a client may neither send a byte of a body nor take one of an answer."
    )
    static let maxRequestsPerConnection = Setting(
        "http.maxRequestsPerConnection", "HTTP_MAX_REQUESTS_PER_CONNECTION", .wholeNumber(0...1_000_000_000),
        default: .fixed("0"),
        meaning: "After how many requests a connection is ended, so that clients spread over new replicas; 0 for never."
    )
    static let maxHeaderBytes = Setting(
        "http.maxHeaderBytes", "HTTP_MAX_HEADER_BYTES", .wholeNumber(1024...1_048_576),
        default: .fixed("65536"),
        meaning: "The most that all header fields of a request may have; above it the answer is 431."
    )
    static let maxBodyBytes = Setting(
        "http.maxBodyBytes", "HTTP_MAX_BODY_BYTES", .wholeNumber(0...1_099_511_627_776),
        default: .fixed("10485760"),
        meaning: "The most that the body of a request may have; above it the answer is 413."
    )
    static let maxConnections = Setting(
        "http.maxConnections", "HTTP_MAX_CONNECTIONS", .wholeNumber(1...1_000_000),
        default: .fixed("8192"),
        meaning: "How many connections may be open at once; one more gets probes answered and 503 for the rest."
    )
    static let liveStall = Setting(
        "live.stallSeconds", "LIVE_STALL_SECONDS", .seconds(.milliseconds(500) ... .seconds(3600)),
        default: .fixed("10"),
        meaning: "How long an event loop or the task pool may do nothing before /live says 503."
    )
    static let traps = Setting(
        "medbuilder.traps", "MEDBUILDER_TRAPS", .onOff,
        default: .fixed("on"),
        meaning:
            "Whether a runtime trap costs one request and a graceful exit instead of the process, and a crash leaves a record."
    )
    static let drillRoutes = Setting(
        "drill.routes", "DRILL_ROUTES", .onOff,
        default: .fixed("off"),
        meaning: "Whether the /_drill routes for tests and experiments are served; refused in production."
    )
    static let drillStart = Setting(
        "drill.start", "DRILL_START", .oneOf(Settings.Drill.Start.allCases.map(\.rawValue)),
        default: .fixed("normal"),
        meaning: "What the start-up does, for tests; anything but normal is refused in production."
    )
    static let drillStartDelay = Setting(
        "drill.startDelaySeconds", "DRILL_START_DELAY_SECONDS", .seconds(.zero ... .seconds(3600)),
        default: .fixed("0"),
        meaning:
            "How long after its start the process opens its ports, for tests; anything but 0 is refused in production."
    )
    static let drillCleanUp = Setting(
        "drill.cleanUpSeconds", "DRILL_CLEAN_UP_SECONDS", .seconds(.zero ... .seconds(3600)),
        default: .fixed("0"),
        meaning: "How long the clean-up takes longer, for tests; anything but 0 is refused in production."
    )
}
