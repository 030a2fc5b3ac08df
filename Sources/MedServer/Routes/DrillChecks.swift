// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import MedRuntime

/// Health checks that do what they are told, for tests and everyone's own experiments.
///
///     POST   /_drill/checks/NAME?does=pass|fail|throw|hang|late|trap&required=yes&after=NAME
///     DELETE /_drill/checks/NAME
///     GET    /_drill/printing       needs the check "printer"
struct DrillChecks: Sendable {
    /// What a check does when it runs.
    enum Deed: String {
        case pass, fail, `throw`, hang, late, trap
    }

    /// What a check throws.
    struct Failure: Error {}

    static let interval = Duration.milliseconds(200)
    static let timeout = Duration.milliseconds(400)

    let engine: HealthEngine

    func add(to drill: RouterGroup<ServerRequestContext>) {
        drill.post("checks/:name") { request, context in try self.register(request, context.parameters.require("name"))
        }
        drill.delete("checks/:name") { _, context in
            let wasThere = self.engine.remove(try context.parameters.require("name"))
            return DrillRoutes.json(.ok, #"{"removed":\#(wasThere)}"#)
        }
        drill.group("printing")
            .add(middleware: NeedsChecks(["printer"], of: self.engine))
            .get { _, _ in DrillRoutes.json(.ok, #"{"printed":true}"#) }
    }

    private func register(_ request: Request, _ name: String) throws -> Response {
        let query = request.uri.queryParameters
        guard let deed = Deed(rawValue: query["does"].map { String($0) } ?? "pass") else {
            throw HTTPError(.badRequest)
        }
        let check = HealthCheck(
            name,
            readiness: query["required"] == "yes" ? .required : .ignored,
            interval: Self.interval,
            timeout: Self.timeout,
            dependencies: query["after"].map { [String($0)] } ?? []
        ) {
            switch deed {
            case .pass: break
            case .fail, .throw: throw Failure()
            // Neither listens to a cancellation.
            case .hang: await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
            case .late: await Task { try? await Task.sleep(for: Self.timeout * 2) }.value
            case .trap: DrillTrap.nil.spring()
            }
        }
        do throws(HealthCheckError) {
            try self.engine.register(check)
        } catch {
            return DrillRoutes.json(.conflict, #"{"registered":false}"#)
        }
        return DrillRoutes.json(.created, #"{"registered":true}"#)
    }
}
