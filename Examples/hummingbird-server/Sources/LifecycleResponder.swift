// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import MedRuntime
import NIOCore

/// Stands before the router: answers the probes, and has every other request count as work.
///
/// It is a responder and not a middleware, because work that traps never comes back: it needs a task of its own, and a
/// middleware's `next` may not be handed to another task.
struct LifecycleResponder<Base: HTTPResponder>: HTTPResponder where Base.Context: RequestContext & Sendable {
    let base: Base
    let lifecycle: Lifecycle
    let probes: Probes

    func respond(to request: Request, context: Base.Context) async throws -> Response {
        // Before the gate: the probes are answered to the end.
        if var probe = ProbeRequest(target: request.uri.string) {
            probe.accept(request.headers[values: .accept])
            return Response(self.probes.answer(to: probe))
        }
        do {
            // A fixed word and never the path, which could name a patient: the log shows it.
            return try await self.lifecycle.withWork("request") {
                try await self.base.respond(to: request, context: context)
            }
        } catch LifecycleError.trapped as LifecycleError {
            return Response(status: .internalServerError, headers: [.connection: "close"])
        } catch LifecycleError.shuttingDown as LifecycleError {
            return Response(status: .serviceUnavailable, headers: [.connection: "close", .retryAfter: "1"])
        } catch is CancellationError where self.lifecycle.phase.isShuttingDown {
            // The grace was over before it was done.
            return Response(status: .serviceUnavailable, headers: [.connection: "close", .retryAfter: "1"])
        }
    }
}

extension Response {
    fileprivate init(_ answer: Probes.Answer) {
        var headers: HTTPFields = [.contentType: answer.contentType]
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        self.init(
            status: .init(code: answer.status),
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
        )
    }
}
