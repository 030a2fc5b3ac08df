// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import Logging
import MedRuntime
import MedStorage
import MedTesting
import NIOEmbedded
import Testing

@testable import MedServer

@Suite struct ApplicationResponderTests {
    private func answer(to code: DatabaseError.Code) async -> Response {
        let router = Router(context: ServerRequestContext.self)
        router.post("row") { _, _ -> Response in throw DatabaseError(code: code, description: "It failed.") }
        let log = RecordedLog()
        let lifecycle = Lifecycle(
            configuration: ShutdownConfiguration(grace: .seconds(60), deadline: .seconds(120)), logger: log.logger,
            lastWords: { _ in }, exit: { _ in })
        let responder = ApplicationResponder(router: router.buildResponder(), lifecycle: lifecycle, logger: log.logger)
        let request = Request(
            head: .init(method: .post, scheme: "http", authority: "localhost", path: "/row"),
            body: RequestBody(buffer: ByteBuffer()))
        return await responder.respond(to: request, on: EmbeddedChannel(), route: EndpointPath())
    }

    @Test(arguments: [
        (DatabaseError.Code.notReachable, 503), (.poolExhausted, 503), (.timeout, 503), (.readOnly, 503),
        (.constraint, 500), (.invalidStatement, 500),
        // It may be there: nobody is to be told to send it again.
        (.outcomeUnknown, 500),
    ])
    func `only what was surely not done is to be tried again`(code: DatabaseError.Code, status: Int) async {
        let answer = await self.answer(to: code)
        #expect(answer.status.code == status)
        #expect((answer.headers[.retryAfter] != nil) == (status == 503))
        // The handler had begun: that is no refusal.
        #expect(answer.headers.first { $0.name.canonicalName == "x-request-refused" } == nil)
    }
}
