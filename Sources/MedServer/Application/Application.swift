// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
public import Logging
public import MedPrivacy
public import MedRuntime
public import MedStorage
public import MedTelemetry
import NIOCore
public import ServiceLifecycle

/// A MedBuilder server: routes, probes, checks, services and one database, around one lifecycle.
///
/// ```swift
/// let application = Application(settings: settings, key: key, database: database, lifecycle: lifecycle, logger: logger)
/// try await application.open()      // the port is open: /live is 200
/// await application.run()           // connect, migrate, serve; the lifecycle's shutdown ends it
/// ```
public final class Application: Sendable {
    private let settings: Settings
    private let database: any Database
    private let lifecycle: Lifecycle
    /// Runs the checks; more can be registered and removed at any time.
    public let health: HealthEngine
    private let server: HTTPServer
    private let tls: TLSIdentity?
    private let stalls: StallWatch
    private let serviceManager: ServiceManager?
    private let progress: StartUpProgress
    private let services: [any Service]
    private let book: ShutdownBook
    private let logger: Logger

    /// Creates a server; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - settings: read and checked.
    ///   - key: the PHI key in force; none when encryption is switched off.
    ///   - database: where data is kept. It is closed in the clean-up.
    ///   - tls: with what the main port speaks TLS; nil for plain HTTP.
    ///   - lifecycle: decides what is accepted and when the process ends.
    ///   - checks: of the application, besides the built-in ones. A mistake in them traps; see `HealthEngine`.
    ///   - groups: of checks, each under `/health/NAME`, besides `storage` and `system`.
    ///   - services: run beside the server, ended in reverse order before the database is closed. One that ends by
    ///     itself begins a shutdown.
    ///   - version: of the program, for the status page.
    ///   - startedAt: when the process started, for `uptime`.
    ///   - instance: which process this is, in the records of shutdowns.
    ///   - unrecorded: the shutdown of the last process here, if the database may not have it.
    ///   - recorded: called when the database has the record of this process's shutdown.
    ///   - telemetry: what is measured, shown at `/metrics` if the settings say so; without it, there is no such page.
    ///   - levels: of the log, which the management port may change for a while. They tell of it whom `LogLevels.report(to:)` has named.
    ///   - serviceManager: is told when the ports are open, when the shutdown begins, and that nothing is stalled.
    ///   - accessLogger: gets a line for every request that is not a probe.
    ///   - accessDataset: the field `event.dataset` of these lines.
    ///   - logger: for everything else.
    public init(
        settings: Settings,
        key: PHIKey?,
        database: any Database,
        tls: TLSIdentity? = nil,
        lifecycle: Lifecycle,
        checks: [HealthCheck] = [],
        groups: [HealthGroup] = [],
        services: [any Service] = [],
        version: String? = nil,
        startedAt: SuspendingClock.Instant = .now,
        instance: String = "0",
        unrecorded: ShutdownRecord? = nil,
        recorded: @escaping @Sendable () -> Void = {},
        telemetry: ServerTelemetry? = nil,
        levels: LogLevels? = nil,
        serviceManager: ServiceManager? = nil,
        accessLogger: Logger? = nil,
        accessDataset: String = "medbuilder.access",
        logger: Logger
    ) {
        let base = database
        let database = AccountedDatabase(base: database, lifecycle: lifecycle)
        var builtIn: [HealthCheck] = [
            .database(database),
            .encryption(
                key: key,
                isKeySet: key != nil || settings.encryption.key != nil,
                environment: settings.environment
            ),
            .memory(reader: MemoryUsageReader()),
            .diskSpace(of: settings.foldersWrittenTo),
            .fileDescriptors(),
            .clock(),
        ]
        if let tls { builtIn.append(.certificate(of: tls)) }
        let engine = HealthEngine(
            checks: builtIn + checks,
            groups: [
                HealthGroup("storage", checks: ["database", "diskSpace"], required: ["database"]),
                HealthGroup("system", checks: ["memory", "diskSpace", "fileDescriptors", "clock"]),
            ] + groups,
            hidesReasons: settings.environment == .production,
            logger: logger
        )
        let stalls = StallWatch(limit: settings.liveStall, logger: logger)
        stalls.watchTaskPool()
        let progress = StartUpProgress(logger: logger)
        let probes = Probes(
            lifecycle: lifecycle,
            engine: engine,
            stalls: stalls,
            environment: settings.environment.rawValue,
            identity: ServiceIdentity(release: version, serviceID: "medbuilder"),
            startUp: progress,
            startedAt: startedAt,
            logger: logger
        )
        let router = Router(context: ServerRequestContext.self, options: .autoGenerateHeadEndpoints)
        if settings.drill.routes {
            DrillRoutes(database: database, lifecycle: lifecycle, engine: engine).add(to: router)
        }
        let responder = ApplicationResponder(router: router.buildResponder(), lifecycle: lifecycle, logger: logger)
        let management = Router(context: ServerRequestContext.self)
        if let levels {
            LogLevelRoute(levels: levels, token: settings.access.managementToken).add(to: management)
        }
        let manager = ApplicationResponder(router: management.buildResponder(), lifecycle: lifecycle, logger: logger)
        let server = HTTPServer(
            shared: ServerShared(
                probes: probes,
                lifecycle: lifecycle,
                table: ConnectionTable(limit: DescriptorLimit.connections(atMost: settings.http.maxConnections)),
                loops: EventLoops(count: HTTPServer.eventLoopCount),
                logger: logger,
                limits: ConnectionLimits(settings.http),
                access: settings.access,
                telemetry: RequestTelemetry(
                    access: accessLogger.map { PreparedLogger($0, "Request answered", dataset: accessDataset) },
                    metrics: telemetry?.http,
                    pages: settings.hasMetrics ? telemetry.map { MetricsPages($0.registry) } : nil,
                    tracer: telemetry?.tracer),
                respond: { await responder.respond(to: $0, on: $1, route: $2) },
                manage: { await manager.respond(to: $0, on: $1, route: $2) }
            ),
            stalls: stalls
        )
        stalls.onChange { stalled in
            server.stallsChanged(stalled)
            probes.logChanges()
        }
        lifecycle.onTrap { server.trapped($0) }
        engine.onChange { probes.logChanges() }
        lifecycle.onPhase { phase in
            server.entered(phase)
            probes.logChanges()
        }
        serviceManager?.follow(lifecycle, stalls)
        self.book = ShutdownBook(
            database: base, engine: engine, lifecycle: lifecycle, instance: instance, unrecorded: unrecorded,
            recorded: recorded, shutdowns: telemetry?.shutdowns, logger: logger)
        telemetry?.watch(probes, lifecycle, self.book)
        lifecycle.onPhase { [book] in if $0 == .cleaningUp { book.count() } }
        self.settings = settings
        self.database = database
        self.lifecycle = lifecycle
        self.health = engine
        self.progress = progress
        self.server = server
        self.tls = tls
        self.stalls = stalls
        self.serviceManager = serviceManager
        self.services = (tls.map { [$0] } ?? []) + services
        self.logger = logger
    }

    /// Opens the ports. From here on the probes are answered.
    ///
    /// - Returns: the main port, which the system has chosen if the setting is 0.
    /// - Throws: ``PortError`` when one of them cannot be opened.
    @discardableResult
    public func open() async throws(PortError) -> Int {
        let management = self.settings.managementPort
        let main = Endpoint(kind: .main, hasManagement: management != nil)
        let port = try await self.open(self.settings.port, as: main, tls: self.tls)
        if let management {
            let port = try await self.open(management, as: Endpoint(kind: .management, hasManagement: true))
            self.logger.notice("management on port \(port)")
        }
        self.stalls.start()
        self.serviceManager?.ready()
        self.logger.notice("serving on port \(port)")
        return port
    }

    private func open(_ port: Int, as endpoint: Endpoint, tls: TLSIdentity? = nil) async throws(PortError) -> Int {
        do {
            return try await self.server.open(host: self.settings.host, port: port, as: endpoint, tls: tls)
        } catch {
            throw PortError(port: port, host: self.settings.host, cause: error)
        }
    }

    /// Connects, migrates and serves, until the shutdown has cleaned up.
    public func run() async {
        let startUp = StartUp(
            database: self.database,
            migration: self.settings.database.migration,
            drill: self.settings.drill.start,
            engine: self.health,
            lifecycle: self.lifecycle,
            progress: self.progress,
            logger: self.logger
        )
        // Registered before anything is opened; the last registered is done first.
        self.lifecycle.onCleanUp("connections") { await self.server.settle() }
        self.lifecycle.onCleanUp("database") { await self.database.close() }
        self.lifecycle.onCleanUp("receipt") { await self.book.close() }
        if self.settings.drill.cleanUp > .zero {
            self.lifecycle.onCleanUp("drill") { try? await Task.sleep(for: self.settings.drill.cleanUp) }
        }
        await self.lifecycle.runUntilCleanedUp([self.health, startUp, self.book] + self.services)
    }
}

extension Settings {
    /// The folders whose disks may not fill up.
    fileprivate var foldersWrittenTo: [String] {
        switch self.database.location {
        case .sqlite(let path, _):
            [
                self.stateDirectory,
                path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : ".",
            ]
        case .postgres: [self.stateDirectory]
        }
    }
}
