// swift-tools-version: 6.2
// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// Why each dependency is here: docs/dependencies.md. What each module may import: docs/decisions/0001-modules.md.
let package = Package(
    name: "medbuilder",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "medbuilder", targets: ["medbuilder"]),
        .library(name: "MedRuntime", targets: ["MedRuntime"]),
        .library(name: "MedTelemetry", targets: ["MedTelemetry"]),
        .library(name: "MedPrivacy", targets: ["MedPrivacy"]),
        .library(name: "MedStorage", targets: ["MedStorage"]),
        .library(name: "MedSQLite", targets: ["MedSQLite"]),
        .library(name: "MedPostgres", targets: ["MedPostgres"]),
        .library(name: "MedServer", targets: ["MedServer"]),
    ],
    // The command `drill`, which the image leaves out: it needs a proxy beside it, and megabytes.
    traits: [.default(enabledTraits: ["Drill"]), "Drill"],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-service-context", from: "1.5.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    ],
    targets: [
        // Leaves: they import no sibling.
        .target(name: "CMedRuntime"),
        .target(
            name: "MedRuntime",
            dependencies: [
                "CMedRuntime",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        .target(
            name: "MedTelemetry",
            dependencies: [
                "CMedSystem",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Instrumentation", package: "swift-distributed-tracing"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceContextModule", package: "swift-service-context"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]
        ),
        .systemLibrary(name: "CMedSystem", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .target(
            name: "MedPrivacy",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")]
        ),

        // Storage and its drivers: protocols point inward.
        .target(name: "MedStorage"),
        .target(
            name: "MedSQLite",
            dependencies: [
                "MedStorage",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),

        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .target(
            name: "MedPostgres",
            dependencies: [
                "CPostgres",
                "MedStorage",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),

        // The one place where the others meet.
        .target(
            name: "MedServer",
            dependencies: [
                "MedRuntime",
                "MedPrivacy",
                "MedStorage",
                "MedTelemetry",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "Instrumentation", package: "swift-distributed-tracing"),
                .product(name: "ServiceContextModule", package: "swift-service-context"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "Yams", package: "Yams"),
            ]
        ),

        // Rehearses what the others promise, from outside: it knows them by their probes and by their database alone.
        .target(
            name: "MedDrill",
            dependencies: [
                "CMedSystem",
                "MedStorage",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]
        ),

        // Only the executable knows the drivers.
        .executableTarget(
            name: "medbuilder",
            dependencies: [
                .target(name: "MedDrill", condition: .when(traits: ["Drill"])),
                "MedPostgres",
                "MedPrivacy",
                "MedRuntime",
                "MedServer",
                "MedSQLite",
                "MedStorage",
                "MedTelemetry",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Instrumentation", package: "swift-distributed-tracing"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),

        // For tests only; `make check` proves that nothing under Sources/ imports it.
        .target(
            name: "MedTesting",
            dependencies: ["MedDrill", "MedStorage", .product(name: "Logging", package: "swift-log")]
        ),
        .testTarget(name: "MedDrillTests", dependencies: ["MedDrill", "MedTesting"]),
        .testTarget(
            name: "MedRuntimeTests",
            dependencies: ["CMedRuntime", "MedRuntime", "MedTesting", .product(name: "Logging", package: "swift-log")],
            resources: [.copy("Fixtures")]
        ),
        .testTarget(
            name: "MedTelemetryTests",
            dependencies: [
                "MedTelemetry",
                "MedTesting",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceContextModule", package: "swift-service-context"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]
        ),
        .testTarget(
            name: "MedPrivacyTests",
            dependencies: ["MedPrivacy", .product(name: "Crypto", package: "swift-crypto")]
        ),
        .testTarget(name: "MedStorageTests", dependencies: ["MedStorage", "MedTesting"]),
        .testTarget(
            name: "MedSQLiteTests",
            dependencies: ["MedSQLite", "MedStorage", "MedTesting", .product(name: "Logging", package: "swift-log")]
        ),
        .testTarget(
            name: "MedPostgresTests",
            dependencies: ["MedPostgres", "MedStorage", "MedTesting", .product(name: "Logging", package: "swift-log")]
        ),
        .testTarget(
            name: "MedServerTests",
            dependencies: [
                "MedPrivacy",
                "MedRuntime",
                "MedServer",
                "MedSQLite",
                "MedStorage",
                "MedTelemetry",
                "MedTesting",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["medbuilder", "MedDrill", "MedTesting", .product(name: "Yams", package: "Yams")],
            exclude: ["Tools"]
        ),
    ],
    swiftLanguageModes: [.v6]
)

// Settings for every Swift target (docs/decisions/0001-modules.md).
for target in package.targets where target.name != "CMedRuntime" && target.type != .system {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
            .treatAllWarnings(as: .error),
        ]
}
