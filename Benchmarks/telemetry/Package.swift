// swift-tools-version: 6.2
// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// What `make bench-telemetry` measures. A package of its own, so that nobody builds it by accident.
let package = Package(
    name: "telemetry-benchmark",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Named, because a package at a path is otherwise called like its folder.
        .package(name: "medbuilder", path: "../.."),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.4.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .executableTarget(
            name: "telemetry-load",
            dependencies: [
                .product(name: "MedTelemetry", package: "medbuilder"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            path: "Sources/load"
        )
    ]
)
