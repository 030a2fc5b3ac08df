// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import MedRuntime
import MedStorage
import NIOCore
import NIOHTTP1

/// Has the router answer a request, and makes an answer of whatever it throws: without paths, types or reasons, which
/// could hold PHI. The log has the type, under the same id.
struct ApplicationResponder: Sendable {
    private struct Failure {
        var status: HTTPResponse.Status
        var code: String
        var retryAfter: Int?
    }

    let router: RouterResponder<ServerRequestContext>
    let lifecycle: Lifecycle
    let logger: Logger

    @Sendable func respond(to request: Request, on channel: any Channel, route: EndpointPath) async -> Response {
        let context = ServerRequestContext(
            source: ServerRequestContext.Source(logger: self.logger, channel: channel, route: route)
        )
        do {
            let answer = try await self.router.respond(to: request, context: context)
            // The router answers for itself where there is no such route, and where a handler throws an `HTTPError`.
            let isBare = answer.status.code >= 400 && answer.body.contentLength == 0
            return isBare ? Self.response(Failure(status: answer.status, code: Self.code(of: answer.status))) : answer
        } catch {
            return self.answer(to: error, request: request, route: route)
        }
    }

    private func answer(to error: any Error, request: Request, route: EndpointPath) -> Response {
        switch error {
        case is RequestBodyIncomplete, is HTTPParserError:
            return Self.response(Failure(status: .badRequest, code: "bad_request"))
        case is RequestBodyTooLarge:
            return Self.response(Failure(status: .contentTooLarge, code: "body_too_large"))
        case is RequestBodyTimedOut:
            return Self.response(Failure(status: .requestTimeout, code: "request_timeout"))
        case is CancellationError where self.lifecycle.phase.isShuttingDown,
            LifecycleError.shuttingDown as LifecycleError:
            return Self.response(Failure(status: .serviceUnavailable, code: "shutting_down", retryAfter: 1))
        case is CancellationError:
            // The client has left, and with it whoever would read this.
            return Self.response(Failure(status: .internalServerError, code: "cancelled"))
        default:
            break
        }
        let id = ErrorID.make()
        var metadata: Logger.Metadata = [
            "error.id": "\(id)",
            "error.type": "\(String(reflecting: type(of: error)))",
            "http.request.method": "\(request.method.rawValue)",
            "http.route": "\(route.pattern)",
        ]
        // Its sentence has no value in it.
        if let error = error as? DatabaseError { metadata["error.message"] = "\(error.description)" }
        guard let error = error as? DatabaseError, error.isTemporary else {
            self.logger.error("Request failed", metadata: metadata)
            return Self.response(Failure(status: .internalServerError, code: "internal"), id: id)
        }
        self.logger.error("Request failed: the database is unavailable", metadata: metadata)
        return Self.response(Failure(status: .serviceUnavailable, code: "unavailable", retryAfter: 1), id: id)
    }

    private static func response(_ failure: Failure, id: String? = nil) -> Response {
        var headers: HTTPFields = [.contentType: "application/json; charset=utf-8"]
        if let seconds = failure.retryAfter { headers[.retryAfter] = String(seconds) }
        let body = ErrorBody.json(failure.code, id: id)
        return Response(status: failure.status, headers: headers, body: ResponseBody(byteBuffer: body))
    }

    /// `Not Found` as `not_found`.
    private static func code(of status: HTTPResponse.Status) -> String {
        status.reasonPhrase.lowercased().replacing(" ", with: "_").replacing("'", with: "")
    }
}

extension EndpointPath {
    /// The route's pattern, and one word for all that have none, which the router calls `NotFound`.
    var pattern: String {
        guard let value = self.value, value != "NotFound" else { return "unmatched" }
        return value
    }
}

extension DatabaseError {
    /// Whether the same request may work later, or on another replica.
    fileprivate var isTemporary: Bool {
        switch self.code {
        case .constraint, .invalidStatement, .transactionEnded, .unexpectedValue, .valueTooLarge, .unsupported,
            .notPermitted:
            false
        // It may have been done: who sends it again, as a 503 invites to, may do it twice.
        case .outcomeUnknown: false
        default: true
        }
    }
}
