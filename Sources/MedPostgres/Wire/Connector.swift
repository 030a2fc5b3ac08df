// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Foundation
import MedStorage
import Synchronization

/// Makes connections, with time limits of its own.
///
/// libpq's `PQconnectStart` blocks in the resolver and knows no limit for a host that is silent, and its blocking sibling knows none
/// below two seconds. So each attempt has a thread, and the hosts of a list are tried one by one, in the order of libpq.
struct Connector: Sendable {
    /// One place to try.
    struct Attempt: Sendable, Equatable {
        let host: String?
        let address: String?
        let port: String?
        /// Overrides `target_session_attrs` in one of the two rounds that `prefer-standby` means.
        var sessionAttributes: String?
    }

    let location: PostgresLocation
    let threads: BoundedThreads

    /// Connects to the first host that can be had.
    ///
    /// - Parameter limit: for each host; a `connect_timeout` of the location comes before it.
    func connect(limit: Duration) async throws(DatabaseError) -> EstablishedConnection {
        let limit = self.location.connectTimeout ?? limit
        let attempts = self.location.attempts
        let whole = limit * attempts.count
        let outcome = await self.threads.run(until: .now + whole + .milliseconds(50)) {
            self.connectBlocking(attempts, limit: limit)
        }
        if let outcome { return try outcome.get() }
        throw DatabaseError(
            code: Task.isCancelled ? .cancelled : .notReachable,
            description: "Database '\(self.location.name)' could not be reached within \(whole.inSeconds) s.")
    }

    private func connectBlocking(
        _ attempts: [Attempt], limit: Duration
    ) -> Result<EstablishedConnection, DatabaseError> {
        var failure: DatabaseError?
        for attempt in attempts {
            switch self.connectBlocking(attempt, limit: limit) {
            case .success(let connection): return .success(connection)
            case .failure(let error):
                // What a server said is worth more than that another one is away; and a login is refused by all of them.
                if failure == nil || error.status == .error { failure = error }
                if error.code == .loginRefused { return .failure(error) }
            }
        }
        return .failure(failure ?? self.unreachable("no host is named"))
    }

    private func connectBlocking(_ attempt: Attempt, limit: Duration) -> Result<EstablishedConnection, DatabaseError> {
        let deadline = ContinuousClock.now + limit
        let parameters = self.location.parameters(for: attempt)
        let connection = Self.withCStrings(parameters.map(\.key)) { keys in
            Self.withCStrings(parameters.map(\.value)) { values in PQconnectStartParams(keys, values, 1) }
        }
        guard let connection else { return .failure(self.unreachable("there is no memory for it")) }
        let established = EstablishedConnection(connection)
        // The only way to the code of a refused login: libpq puts it into the text.
        PQsetErrorVerbosity(connection, PQERRORS_SQLSTATE)
        // By default libpq prints what the server remarks.
        PQsetNoticeReceiver(connection, { _, _ in }, nil)

        var progress = PGRES_POLLING_WRITING
        while PQstatus(connection) != CONNECTION_BAD {
            switch progress {
            case PGRES_POLLING_OK:
                PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
                return .success(established)
            case PGRES_POLLING_FAILED:
                return .failure(self.failure(of: connection))
            default:
                var descriptor = pollfd(
                    fd: PQsocket(connection),
                    events: Int16(progress == PGRES_POLLING_READING ? POLLIN : POLLOUT), revents: 0)
                let left = (deadline - .now) / .milliseconds(1)
                guard left > 0, poll(&descriptor, 1, Int32(left.rounded(.up))) != 0 else {
                    return .failure(self.unreachable("it did not answer within \(limit.inSeconds) s"))
                }
            }
            progress = PQconnectPoll(connection)
        }
        return .failure(self.failure(of: connection))
    }

    /// Tells a refusal of the server from a server that cannot be reached.
    private func failure(of connection: OpaquePointer) -> DatabaseError {
        let words = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        return Self.failure(from: words, database: self.location.name)
    }

    static func failure(from words: String, database: String) -> DatabaseError {
        // `FATAL:  28P01`, whatever the language of the first word.
        if let match = words.firstMatch(of: /:  ([0-9A-Z]{5})\s*$/) {
            let state = String(match.1)
            // It spoke to us, so it is there, whatever class the code is in.
            let code = state == "08P01" ? .unsupported : DatabaseError.Code(sqlState: state)
            let words = SQLState.words[state] ?? code.description
            return DatabaseError(
                code: code,
                description: "Database '\(database)' refused the connection: \(words) [\(state)].",
                sqlState: state)
        }
        // What remains are libpq's own sentences, about hosts and certificates. They name hosts, and with a URL that was mistyped, what stands
        // before the host as well: so we say it in our words.
        let known = Self.sentences.first { words.contains($0.theirs) }
        return DatabaseError(
            code: known?.code ?? .notReachable,
            description: "Database '\(database)' could not be connected: \(known?.ours ?? "it cannot be reached").")
    }

    /// What libpq 15 says (fe-connect.c, fe-secure-openssl.c), the more special before the more general.
    private static let sentences: [(theirs: String, code: DatabaseError.Code, ours: String)] = [
        ("could not translate host name", .notReachable, "there is no host of that name"),
        ("invalid sslmode value", .unsupported, "there is no such sslmode"),
        ("definition of service", .unsupported, "there is no such service in the service file"),
        ("Connection refused", .notReachable, "nobody listens there"),
        ("timeout expired", .notReachable, "it did not answer in time"),
        ("No route to host", .notReachable, "there is no way to the host"),
        ("Network is unreachable", .notReachable, "there is no way to its network"),
        ("Connection timed out", .notReachable, "it did not answer in time"),
        ("Connection reset", .notReachable, "the connection was reset"),
        ("No such file or directory", .notReachable, "there is no such socket or file"),
        ("Permission denied", .notReachable, "the system forbids it"),
        ("server closed the connection", .notReachable, "the server hung up"),
        ("certificate has expired", .untrusted, "its certificate has expired"),
        ("does not match host name", .untrusted, "its certificate is that of another host"),
        ("root certificate file", .untrusted, "the file of trusted authorities (sslrootcert) cannot be used"),
        ("certificate verify failed", .untrusted, "nobody whom we trust vouches for its certificate"),
        ("certificate", .untrusted, "a certificate cannot be used or is not trusted"),
        ("server does not support SSL", .untrusted, "it does not speak TLS"),
        ("channel binding", .untrusted, "it does not bind the login to the TLS connection"),
        ("session is read-only", .readOnly, "it cannot be written"),
        ("server is in hot standby", .readOnly, "it is a standby"),
        ("session is not read-only", .readOnly, "it is not read-only"),
        ("server is not in hot standby", .readOnly, "it is no standby"),
        ("no password supplied", .loginRefused, "it wants a password, and there is none"),
        ("password", .loginRefused, "the password cannot be used"),
        ("SSL", .untrusted, "the TLS handshake failed"),
    ]

    private func unreachable(_ why: String) -> DatabaseError {
        DatabaseError(
            code: .notReachable, description: "Database '\(self.location.name)' could not be reached: \(why).")
    }

    /// Calls `body` with a list of C strings that ends with a null pointer.
    static func withCStrings<Value>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Value
    ) -> Value {
        let list = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() { list.advanced(by: index).initialize(to: strdup(string)) }
        list.advanced(by: strings.count).initialize(to: nil)
        defer {
            for index in strings.indices { free(UnsafeMutableRawPointer(mutating: list[index])) }
            list.deallocate()
        }
        return body(list)
    }
}
