// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import HTTPTypes
import Hummingbird
import MedRuntime
import MedStorage
import NIOCore
import Synchronization

/// Routes that are slow, long, failing or writing on purpose, for tests and everyone's own experiments.
///
/// They exist only with `DRILL_ROUTES=on`, which production refuses.
struct DrillRoutes: Sendable {
    /// What the failing routes throw.
    struct Failure: Error {}

    /// The largest body that `/_drill/echo` takes, in bytes.
    static let echoLimit = 16 * 1024 * 1024

    let database: any Database
    let lifecycle: Lifecycle
    let engine: HealthEngine

    func add(to router: Router<ServerRequestContext>) {
        let drill = router.group("_drill")
        drill.get("hello") { _, _ in Self.json(.ok, #"{"hello":"world"}"#) }
        drill.get("sleep", use: self.sleep)
        drill.get("stream", use: self.stream)
        drill.post("echo", use: self.echo)
        drill.post("transaction", use: self.transaction)
        drill.get("rows", use: self.rows)
        drill.get("rows/:id", use: self.row)
        drill.get("throw") { _, _ -> Response in throw Failure() }
        drill.post("task-throw", use: self.taskThrow)
        drill.get("trap", use: self.trap)
        drill.get("segv") { _, _ -> Response in
            DrillCrash.corrupt()
            return Self.json(.ok, #"{"crashed":false}"#)
        }
        drill.get("stackoverflow") { _, _ -> Response in
            Self.json(.ok, #"{"crashed":false,"sum":\#(DrillCrash.overflowStack())}"#)
        }
        drill.get("block", use: self.block)
        DrillChecks(engine: self.engine).add(to: drill)
    }

    @Sendable private func sleep(request: Request, context: ServerRequestContext) async throws -> Response {
        let pause = try Self.milliseconds(request)
        if request.uri.queryParameters["ignore-cancel"] == "1" {
            await withCheckedContinuation { continuation in
                DispatchQueue.global().asyncAfter(deadline: .now() + pause) { continuation.resume() }
            }
        } else {
            try await Task.sleep(for: .seconds(pause))
        }
        return Self.json(.ok, #"{"slept":\#(Int(pause * 1000))}"#)
    }

    @Sendable private func stream(request: Request, context: ServerRequestContext) async throws -> Response {
        let pause = try Self.milliseconds(request)
        let chunks = try Self.wholeNumber("chunks", of: request, default: 1, in: 1...1_000_000)
        return Response(
            status: .ok,
            headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody { writer in
                for chunk in 1...chunks {
                    try await Task.sleep(for: .seconds(pause / Double(chunks)))
                    try await writer.write(ByteBuffer(string: "chunk \(chunk)\n"))
                }
                try await writer.finish(nil)
            }
        )
    }

    @Sendable private func echo(request: Request, context: ServerRequestContext) async throws -> Response {
        let body = try await request.body.collect(upTo: Self.echoLimit)
        return Response(
            status: .ok,
            headers: [.contentType: request.headers[.contentType] ?? "application/octet-stream"],
            body: ResponseBody(byteBuffer: body)
        )
    }

    @Sendable private func transaction(request: Request, context: ServerRequestContext) async throws -> Response {
        let pause = try Self.milliseconds(request)
        let value = request.uri.queryParameters["value"].map { String($0) } ?? ""
        try await self.database.transaction { transaction in
            try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\(value))")
            try await Task.sleep(for: .seconds(pause))
        }
        return Self.json(.created, #"{"committed":true}"#)
    }

    @Sendable private func rows(request: Request, context: ServerRequestContext) async throws -> Response {
        let rows = try await self.database.query("SELECT count(*) FROM drill_rows")
        guard case .integer(let count)? = rows.first?[0] else { throw Failure() }
        return Self.json(.ok, #"{"rows":\#(count)}"#)
    }

    @Sendable private func row(request: Request, context: ServerRequestContext) async throws -> Response {
        guard let id = Int(try context.parameters.require("id")) else { throw HTTPError(.badRequest) }
        let rows = try await self.database.query("SELECT id FROM drill_rows WHERE id = \(id)")
        return rows.isEmpty ? Self.json(.notFound, #"{"id":null}"#) : Self.json(.ok, #"{"id":\#(id)}"#)
    }

    @Sendable private func taskThrow(request: Request, context: ServerRequestContext) async throws -> Response {
        try self.lifecycle.supervise("drill task") { throw Failure() }
        return Self.json(.accepted, #"{"accepted":true}"#)
    }

    /// A runtime trap, in the handler itself or wherever `kind` says.
    @Sendable private func trap(request: Request, context: ServerRequestContext) async throws -> Response {
        let kind = request.uri.queryParameters["kind"].map { String($0) } ?? "nil"
        switch kind {
        case "eventloop":
            context.channel.eventLoop.execute { DrillTrap.nil.spring() }
            // Its connection ends with the loop; nobody answers this.
            try await Task.sleep(for: .seconds(3600))
        case "lock":
            Self.lock.withLock { _ in DrillTrap.nil.spring() }
        case "cancel":
            // When its client resets the connection, or the grace is over.
            try await withTaskCancellationHandler {
                try await Task.sleep(for: .seconds(3600))
            } onCancel: {
                DrillTrap.nil.spring()
            }
        case "lock-and-cancel":
            await withTaskCancellationHandler {
                Self.lock.withLock { _ in DrillTrap.nil.spring() }
            } onCancel: {
                Self.lock.withLock { _ in }
            }
        case "transaction":
            try await self.database.transaction { transaction in
                try await transaction.execute("INSERT INTO drill_rows (value) VALUES (\("trapped"))")
                DrillTrap.nil.spring()
            }
        case "child":
            await withTaskGroup(of: Void.self) { group in
                group.addTask { DrillTrap.nil.spring() }
            }
        case "stream":
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; charset=utf-8"],
                body: ResponseBody { writer in
                    try await writer.write(ByteBuffer(string: "first\n"))
                    DrillTrap.nil.spring()
                    try await writer.finish(nil)
                }
            )
        case "background":
            try self.lifecycle.supervise("drill task") { DrillTrap.nil.spring() }
            return Self.json(.accepted, #"{"accepted":true}"#)
        default:
            guard let trap = DrillTrap(rawValue: kind) else { throw HTTPError(.badRequest) }
            trap.spring()
        }
        return Self.json(.ok, #"{"trapped":false}"#)
    }

    /// A lock that the trap of that kind never gives back.
    private static let lock = Mutex(())

    /// Blocks every thread of the task pool, or the event loop of this connection.
    @Sendable private func block(request: Request, context: ServerRequestContext) async throws -> Response {
        let pause = try Self.milliseconds(request)
        let end = Date(timeIntervalSinceNow: pause)
        switch request.uri.queryParameters["thread"] {
        case "pool":
            // As many as any machine's pool has threads; each blocks until the same moment.
            for _ in 0..<256 { Task { Self.sleep(until: end) } }
            Self.sleep(until: end)
        case "eventloop":
            context.channel.eventLoop.execute { Self.sleep(until: end) }
        default:
            throw HTTPError(.badRequest)
        }
        return Self.json(.ok, #"{"blocked":\#(Int(pause * 1000))}"#)
    }

    private static func sleep(until end: Date) { Thread.sleep(until: end) }

    private static func milliseconds(_ request: Request) throws -> Double {
        Double(try self.wholeNumber("ms", of: request, default: 0, in: 0...3_600_000)) / 1000
    }

    private static func wholeNumber(
        _ name: String,
        of request: Request,
        default standard: Int,
        in range: ClosedRange<Int>
    ) throws -> Int {
        guard let text = request.uri.queryParameters[name[...]] else { return standard }
        guard let number = Int(text), range.contains(number) else { throw HTTPError(.badRequest) }
        return number
    }

    static func json(_ status: HTTPResponse.Status, _ text: String) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
