// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedTesting
import Testing

/// Starts the server as process 1 of a container of its own, and waits until `/ready` is 200.
///
/// - Parameter options: More options of `podman run`.
func containedServer(
    _ environment: [String: String] = [:],
    options: [String] = []
) async throws -> (Container, ServerProcess) {
    let container = try await Container(in: makeFolder("container"), options: options)
    try #require(EndToEnd.current).add(container)
    let server = try startServer(environment, launcher: container.launcher)
    try await server.waitUntilReady()
    return (container, server)
}
