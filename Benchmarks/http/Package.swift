// swift-tools-version: 6.2
// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// What `make bench-http` compares with: a bare Hummingbird. A package of its own, so that nobody builds it by accident.
let package = Package(
    name: "http-benchmark",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: [])
    ],
    targets: [
        .executableTarget(
            name: "bare-hummingbird",
            dependencies: [.product(name: "Hummingbird", package: "hummingbird")],
            path: "Sources/peer"
        )
    ]
)
