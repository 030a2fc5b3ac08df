// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedTesting
import Testing

/// What SPEC §2 and §3 promise to whom and when: every state of the server, every way to get there, every question, every
/// kind of connection.
@Suite(.endToEnd) struct TruthMatrixTests {
    /// What is asked.
    enum Question: String, CaseIterable, Sendable {
        case live
        case health
        case status
        case metrics
        case read
        case write
        // Last: the drain delay may end once a prober has seen it three times.
        case ready

        var method: String { self == .write ? "POST" : "GET" }

        var target: String {
            switch self {
            case .live, .health, .status, .metrics, .ready: "/\(self.rawValue)"
            case .read: "/_drill/rows"
            case .write: "/_drill/transaction?value=matrix"
            }
        }

        var isProbe: Bool { self != .read && self != .write }
    }

    /// Over what.
    enum Channel: String, CaseIterable, Sendable {
        case http1
        case http1Kept = "http1-kept"
        case http2
        case http2Kept = "http2-kept"

        var isKept: Bool { self == .http1Kept || self == .http2Kept }
    }

    /// A server that is not stopping, and the statuses of its answers.
    enum Condition: String, CaseIterable, Sendable {
        case starting
        case ready
        case degraded
        case unhealthy

        func status(of question: Question) -> Int {
            switch (self, question) {
            // The pages are for people, who do not see a status, and for whoever counts in every state.
            case (_, .live), (_, .status), (_, .metrics): 200
            // Its database is locked, which is an error.
            case (.starting, _): 503
            case (.ready, .write), (.degraded, .write), (.unhealthy, .write): 201
            case (.ready, _), (.degraded, _): 200
            // A check of the application's own does not keep it from working.
            case (.unhealthy, .read): 200
            case (.unhealthy, _): 503
            }
        }

        var word: String {
            switch self {
            case .ready: "healthy"
            case .degraded: "degraded"
            case .starting, .unhealthy: "unhealthy"
            }
        }
    }

    /// A phase of the shutdown, and how it is made to last.
    enum Phase: String, CaseIterable, Sendable {
        case draining
        case finishing
        case cancelling
        case cleaningUp

        var environment: [String: String] {
            var environment = ["SHUTDOWN_DEADLINE_SECONDS": "3000", "SHUTDOWN_GRACE_SECONDS": "0"]
            switch self {
            case .draining:
                environment["SHUTDOWN_DRAIN_DELAY_SECONDS"] = "1400"
                // The third 503 of /ready may end the delay while the questions go on: what is held stays.
                environment["SHUTDOWN_GRACE_SECONDS"] = "1400"
            case .finishing: environment["SHUTDOWN_GRACE_SECONDS"] = "2000"
            case .cancelling: break
            case .cleaningUp: environment["DRILL_CLEAN_UP_SECONDS"] = "2000"
            }
            return environment
        }

        /// A request that keeps the server in it.
        var held: String? {
            switch self {
            case .draining, .finishing: "/_drill/sleep?ms=2000000"
            case .cancelling: "/_drill/sleep?ms=2000000&ignore-cancel=1"
            case .cleaningUp: nil
            }
        }

        /// The status of an answer; nil where the connection has ended without a byte.
        func status(of question: Question, over channel: Channel) -> Int? {
            if self != .draining && channel.isKept { return nil }
            return switch question {
            case .live, .status, .metrics: 200
            case .ready, .health: 503
            case .read: self == .draining ? 200 : 503
            case .write: self == .draining ? 201 : 503
            }
        }
    }

    /// What begins the shutdown.
    enum Trigger: String, CaseIterable, Sendable {
        case terminate
        case interrupt
        case exception

        var sentence: String {
            switch self {
            case .terminate: Sentence.terminate
            case .interrupt: Sentence.interrupt
            case .exception: Sentence.exception
            }
        }
    }

    /// One answer, or how the connection ended without one.
    struct Answer: Decodable {
        var status: Int?
        var fields: [String: String]?
        var body: String?
        var ended: String?
        var error: String?

        func member(_ path: String) throws -> OrderedJSON? {
            try OrderedJSON(self.body ?? "").value(at: path)
        }
    }

    /// A server, and who asks it over all channels.
    private struct Subject {
        let server: ServerProcess
        let asker: Int

        func ask(_ channel: Channel, _ method: String, _ target: String) async throws -> Answer {
            let target = target.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            return try await self.get("/ask/\(channel.rawValue)?method=\(method)&target=\(target)")
        }

        func ask(_ channel: Channel, _ question: Question) async throws -> Answer {
            try await self.ask(channel, question.method, question.target)
        }

        /// Opens the connections from before: one for each question, since an answer may end its connection.
        func openKept() async throws {
            let answer = try await self.get("/open?count=\(Question.allCases.count)")
            #expect(answer.error == nil)
        }

        private func get(_ target: String) async throws -> Answer {
            let response = try await RawClient.exchange(port: self.asker, "GET", target)
            return try JSONDecoder().decode(Answer.self, from: Data(response.text.utf8))
        }
    }

    // MARK: Not stopping, and SIGHUP

    @Test(arguments: Condition.allCases, [false, true])
    func `what a server says that is not stopping, before and after SIGHUP`(condition: Condition, tls: Bool)
        async throws
    {
        var database: SQLiteShell?
        if condition == .starting {
            // One that has been there before: of a new one, nothing could be locked.
            let first = try await readyServer()
            first.send(SIGTERM)
            #expect(try await first.waitForExit() == .code(0))
            database = try await lock(testFolder().appending(path: ".medbuilder/medbuilder.sqlite"))
        }
        let subject = try await self.start([:], tls: tls, in: testFolder())
        switch condition {
        case .starting:
            try await eventually("the lock is noticed") {
                try await subject.ask(.http1, .health).member("checks.database.status")?.string == "error"
            }
        case .ready: break
        case .degraded: try await self.fail(subject, "required=no")
        case .unhealthy: try await self.fail(subject, "required=yes")
        }
        if condition != .starting {
            try await eventually("the server is \(condition.word)") {
                let (health, read) = try await (subject.ask(.http1, .health), subject.ask(.http1, .read))
                return try health.member("status")?.string == condition.word && read.status == 200
            }
        }
        for round in ["before", "after"] {
            try await subject.openKept()
            if round == "after" {
                subject.server.send(SIGHUP)
                // Noticed or not by then: it changes nothing.
                for _ in 0..<4 { _ = try await subject.ask(.http1, .live) }
            }
            for question in Question.allCases {
                for channel in Channel.allCases {
                    let answer = try await subject.ask(channel, question)
                    let cell = "\(condition), \(question) over \(channel), \(round) SIGHUP: \(answer)"
                    #expect(answer.status == condition.status(of: question), "\(cell)")
                    #expect(answer.fields?["connection"] != "close", "\(cell)")
                    try self.expectTruth(answer, question, word: condition.word, serving: condition != .starting, cell)
                }
            }
        }
        try await database?.release()
        subject.server.send(SIGTERM)
        #expect(try await subject.server.waitForExit() == .code(0))
    }

    // MARK: Stopping

    @Test(arguments: Phase.allCases, Trigger.allCases)
    func `what a server says that is stopping, until a second signal ends it`(phase: Phase, trigger: Trigger)
        async throws
    {
        for tls in [false, true] { try await self.stop(phase, trigger, tls: tls) }
    }

    private func stop(_ phase: Phase, _ trigger: Trigger, tls: Bool) async throws {
        let subject = try await self.start(phase.environment, tls: tls)
        try await eventually("it is ready") { try await subject.ask(.http1, .ready).status == 200 }
        try await subject.openKept()
        let held = phase.held.map { target in Task { try await subject.ask(.http1, "GET", target) } }
        // The server accepts in order, and has read the request when it has answered a few that came later.
        if held != nil { for _ in 0..<16 { _ = try await subject.ask(.http1, .live) } }

        var sentence = trigger.sentence
        switch trigger {
        case .terminate: subject.server.send(SIGTERM)
        case .interrupt: subject.server.send(SIGINT)
        case .exception where phase == .cleaningUp:
            // An error out of a task: after a trap, no step of the clean-up has more than two seconds.
            let answer = try await subject.ask(.http1, "POST", "/_drill/task-throw")
            #expect(answer.status == 202, "\(answer)")
            sentence = Sentence.rejection
        case .exception:
            let answer = try await subject.ask(.http1, "GET", "/_drill/trap")
            #expect(answer.status == 500, "\(answer)")
        }
        try await subject.server.record(sentence)
        switch phase {
        case .draining: break
        case .finishing, .cancelling:
            try await eventually("new requests are refused") { try await subject.ask(.http1, .read).status == 503 }
        case .cleaningUp: try await subject.server.record(Sentence.closed)
        }
        if phase == .cancelling { try await subject.server.record("Grace is over, cancelling") }

        for question in Question.allCases {
            for channel in Channel.allCases {
                let answer = try await subject.ask(channel, question)
                let cell = "\(phase) by \(trigger), \(question) over \(channel)\(tls ? " with TLS" : ""): \(answer)"
                let expected = phase.status(of: question, over: channel)
                // Told to go by a GOAWAY, and idle for a second, it is closed: before a stream that its last number does not count in.
                if phase == .draining && channel == .http2Kept && answer.ended == "closed" { continue }
                #expect(answer.status == expected, "\(cell)")
                #expect((answer.ended == "closed") == (expected == nil), "\(cell)")
                guard expected != nil else { continue }
                if channel == .http1 || channel == .http1Kept {
                    #expect(answer.fields?["connection"] == "close", "\(cell)")
                }
                if !question.isProbe && phase != .draining {
                    #expect(answer.fields?["retry-after"].flatMap(Int.init) != nil, "\(cell)")
                }
                try self.expectTruth(answer, question, word: "unhealthy", serving: false, cell)
            }
        }

        // During the shutdown that an exception began, the first signal is only logged.
        if trigger == .exception {
            subject.server.send(SIGTERM)
            try await subject.server.record("Already shutting down")
            #expect(try await subject.ask(.http1, .live).status == 200)
        }
        subject.server.send(SIGTERM)
        #expect(try await subject.server.waitForExit() == .code(2))
        if let answer = try await held?.value { #expect(answer.ended == "closed", "\(answer)") }
        let after = try await subject.ask(.http1, .live)
        #expect(after.ended == "refused", "\(after)")
    }

    // MARK: Moves

    private func start(_ environment: [String: String], tls: Bool, in folder: URL? = nil) async throws -> Subject {
        var environment = ["DRILL_ROUTES": "on"].merging(environment) { $1 }
        var authority: [String] = []
        if tls {
            let certificate = try await TestCertificate(in: makeFolder("tls"))
            environment["TLS_CERTIFICATE_FILE"] = certificate.server.path
            environment["TLS_KEY_FILE"] = certificate.serverKey.path
            authority = [certificate.authority.path]
        }
        let server = try startServer(environment, in: folder ?? makeFolder("server-\(tls)"))
        let port = try await server.port
        let tool = try startPythonTool("channels.py", ["\(port)"] + authority)
        try await eventually("the asker is there") { tool.outputText.hasSuffix("\n") || tool.hasEnded }
        let asker = try #require(Int(tool.outputText.trimmingCharacters(in: .newlines)), "\(tool.errorText)")
        return Subject(server: server, asker: asker)
    }

    private func fail(_ subject: Subject, _ options: String) async throws {
        let answer = try await subject.ask(.http1, "POST", "/_drill/checks/matrix?does=fail&\(options)")
        #expect(answer.status == 201 || answer.status == 200, "\(answer)")
    }

    /// What the body of a probe says beside its status.
    private func expectTruth(
        _ answer: Answer, _ question: Question, word: String, serving: Bool, _ cell: String
    ) throws {
        switch question {
        case .live: #expect(try answer.member("alive") == .bool(true), "\(cell)")
        case .ready:
            #expect(try answer.member("ready") == .bool(answer.status == 200), "\(cell)")
            #expect(try answer.member("checks.server") == .bool(serving), "\(cell)")
        case .health: #expect(try answer.member("status")?.string == word, "\(cell)")
        case .status: #expect(answer.fields?["content-type"] == "text/html; charset=utf-8", "\(cell)")
        case .metrics:
            let ready = word == "unhealthy" ? 0 : 1
            #expect(answer.body?.contains("\nmedbuilder_ready \(ready)\n") == true, "\(cell)")
        case .read, .write: break
        }
    }
}
