// swift-tools-version: 6.2
// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// What `make bench-postgres` loads the drivers with. A package of its own, so that nobody builds it by accident.
let package = Package(
    name: "postgres-benchmark",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Named, because a package at a path is otherwise called like its folder.
        .package(name: "medbuilder", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        .executableTarget(
            name: "database-load",
            dependencies: [
                .product(name: "MedPostgres", package: "medbuilder"),
                .product(name: "MedSQLite", package: "medbuilder"),
                .product(name: "MedStorage", package: "medbuilder"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/load"
        )
    ]
)
