// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import MedRuntime

/// Every setting of the server, read in one place and checked before anything is opened.
///
/// Values come from environment variables, the `--config` file and options; a later one in this list is stronger. A
/// value that a stronger source replaces is not checked. All mistakes are reported together:
///
/// ```swift
/// let settings = try Settings.load(environment: ProcessInfo.processInfo.environment, options: options)
/// ```
public struct Settings: Sendable, Equatable {
    /// Where the server runs.
    ///
    /// - Key: `app.env`. Default: `development`.
    public var environment: AppEnvironment
    /// The port to listen on.
    ///
    /// - Key: `port`. Default: 5000. With 0 the system picks a free one.
    public var port: Int
    /// The address to listen on, an IP address or a name.
    ///
    /// - Key: `host`. Default: `0.0.0.0`. `::` takes connections of both families.
    public var host: String
    /// The port for probes alone, if there is one.
    ///
    /// - Key: `management.port`. Default: none. With 0 the system picks a free one.
    public var managementPort: Int?
    /// The files for TLS on the main port; without them it speaks plain HTTP.
    public var tls: TLS?
    /// Whom the server believes, and whom it shows how it is.
    var access: Access
    /// Where and how data is stored.
    public var database: Database
    /// How PHI is protected.
    public var encryption: Encryption
    /// The folder for whatever is written to disk besides the database.
    ///
    /// - Key: `medbuilder.stateDir`. Default: `./.medbuilder`.
    public var stateDirectory: String
    /// Whether the server measures itself.
    ///
    /// - Key: `metrics`. Default: `on`.
    public var hasMetrics: Bool
    /// What is logged, and in which form.
    public var log: Log
    /// How patient the server is when it is asked to stop.
    public var shutdown: ShutdownConfiguration
    /// How much the server takes from its clients.
    public var http: HTTP
    /// How long an event loop or the task pool may do nothing before `/live` says that the process can do no work.
    ///
    /// - Key: `live.stallSeconds`. Default: 10 seconds.
    public var liveStall: Duration
    /// Whether runtime traps are contained and crashes recorded.
    ///
    /// - Key: `medbuilder.traps`. Default: `on`.
    public var containsTraps: Bool
    /// What goes wrong on purpose.
    public var drill: Drill
    /// All settings with their origins, in the order of ``Setting/all``, as they were read.
    public let inForce: [SettingInForce]

    /// Reads and checks every setting. It blocks while it reads the file, and is meant for the start of a process.
    ///
    /// - Throws: All mistakes at once.
    public static func load(
        environment: [String: String],
        options: SettingsOptions = SettingsOptions()
    ) throws(SettingsError) -> Settings {
        try Settings(reader: SettingsReader(environment: environment, options: options))
    }

    private init(reader: consuming SettingsReader) throws(SettingsError) {
        self.environment = reader.choice(.appEnvironment)
        self.port = reader.wholeNumber(.port)
        self.host = Self.host(reader: &reader)
        self.managementPort = Self.managementPort(reader: &reader, port: self.port)
        self.tls = TLS.read(from: &reader)
        self.access = Access(reader: &reader)
        self.database = Database(reader: &reader, environment: self.environment)
        self.encryption = Encryption(reader: &reader, environment: self.environment)
        self.stateDirectory = reader.value(.stateDirectory) { $0 }
        self.log = Log(reader: &reader, environment: self.environment, stateDirectory: self.stateDirectory)
        self.hasMetrics = reader.isOn(.metrics)
        self.shutdown = ShutdownConfiguration(reader: &reader)
        self.http = HTTP(reader: &reader)
        self.liveStall = reader.seconds(.liveStall)
        self.containsTraps = reader.isOn(.traps)
        self.drill = Drill(reader: &reader, environment: self.environment)
        self.inForce = try reader.finish()
    }

    private static func managementPort(reader: inout SettingsReader, port: Int) -> Int? {
        let management = reader.optionalWholeNumber(.managementPort)
        if let management, management != 0, management == port, reader.areSound(.port) {
            reader.refuse(.managementPort, "it must be another one than port")
        }
        return management
    }

    private static func host(reader: inout SettingsReader) -> String {
        reader.value(.host) { (text) throws(SettingsReader.Refusal) in
            guard HostName.isValid(text) else { throw SettingsReader.Refusal(Setting.host.rule) }
            return text
        }
    }
}
