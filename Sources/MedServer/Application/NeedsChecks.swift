// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Hummingbird
public import MedRuntime

/// The checks that a route needs: while one of them is not up, this route alone answers 503, and the rest of the server
/// goes on.
///
/// ```swift
/// router.group("labels").add(middleware: NeedsChecks(["printer"], of: application.health)).post("", use: printLabel)
/// ```
public struct NeedsChecks<Context: RequestContext>: RouterMiddleware {
    private let names: [String]
    private let engine: HealthEngine
    private let retryAfter: Duration

    /// Creates the middleware.
    ///
    /// - Parameters:
    ///   - names: of the checks. A name that is no check is not up.
    ///   - engine: which runs them. It is not asked to: the last answers count.
    ///   - retryAfter: when it is worth asking again, in whole seconds.
    public init(_ names: [String], of engine: HealthEngine, retryAfter: Duration = .seconds(5)) {
        self.names = names
        self.engine = engine
        self.retryAfter = retryAfter
    }

    public func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard self.engine.isUp(self.names) else {
            return Response(
                status: .serviceUnavailable,
                headers: [
                    .contentType: "application/json; charset=utf-8",
                    .retryAfter: String(self.retryAfter.components.seconds),
                ],
                body: ResponseBody(byteBuffer: ErrorBody.json("unavailable"))
            )
        }
        return try await next(request, context)
    }
}
