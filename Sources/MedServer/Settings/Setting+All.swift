// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging
import MedTelemetry

extension Setting {
    /// Every setting, in the order in which people meet them.
    public static let all: [Setting] = [
        .appEnvironment, .port, .host,
        .databaseURL, .databaseMigrate,
        .phiEncryptionKey, .phiEncryption,
        .stateDirectory,
        .logLevel, .logFormat,
        .drainDelay, .grace, .deadline,
        .headerTimeout, .idleTimeout, .maxConnections,
        .liveStall, .traps,
        .drillRoutes, .drillStart,
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
    static let databaseURL = Setting(
        "database.url", "DATABASE_URL", .text("sqlite:PATH"),
        default: .dependent("sqlite:\(Settings.Database.defaultPath); none in staging and production"),
        isSecret: true,
        meaning: "Where the data is stored."
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
        "log.level", "LOG_LEVEL", .oneOf(Logger.Level.allCases.map(\.rawValue)),
        default: .fixed("info"),
        meaning: "The least severe log record that is written."
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
}
