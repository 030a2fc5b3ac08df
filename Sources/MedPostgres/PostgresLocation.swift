// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import CPostgres
import Foundation
import MedStorage

/// Where a Postgres server is and how to get in: a URL as libpq takes it.
///
/// Every parameter of libpq goes: several hosts, `sslmode`, `target_session_attrs`, `service`. What it leaves open has defaults that a
/// server needs (docs/postgres.md): an `application_name`, and limits for a dead network.
public struct PostgresLocation: Sendable {
    /// How the database is called in errors and logs: its name on the server, and never where that is.
    public let name: String
    /// Whether each host is this machine: a socket's folder, or a loopback address.
    public let isLocal: Bool
    /// Whether the server must show a certificate for the very host that was asked for.
    public let isVerified: Bool
    /// Whether several hosts are named, so that another one may be had when one is no longer fit.
    let hasSeveralHosts: Bool

    private let url: String
    private let sessionAttributes: String?
    private let hosts: [Connector.Attempt]
    let connectTimeout: Duration?
    private let applicationName: String?
    private let defaults: [(key: String, value: String)]

    /// Reads a URL, `postgres://user:password@host/database?…`; nil if libpq does not take it.
    public init?(url: String) { self.init(url: url, environment: ProcessInfo.processInfo.environment) }

    /// Reads a URL; what it leaves open, libpq takes from the environment.
    init?(url: String, environment: [String: String]) {
        var words: UnsafeMutablePointer<CChar>?
        guard url.hasPrefix("postgres://") || url.hasPrefix("postgresql://"),
            let options = PQconninfoParse(url, &words)
        else {
            // They quote the URL, and with it the password.
            if words != nil { PQfreemem(words) }
            return nil
        }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        // libpq itself looks at it only when it connects.
        let ports = values["port"]?.split(separator: ",") ?? []
        guard ports.allSatisfy({ UInt16($0) ?? 0 > 0 }) else { return nil }
        self.url = url
        self.name = values["dbname"] ?? environment["PGDATABASE"] ?? values["user"] ?? "postgres"
        self.sessionAttributes = values["target_session_attrs"]
        let named = Self.attempts(values)
        self.hosts = named
        self.hasSeveralHosts = named.count > 1
        let mode = values["sslmode"] ?? environment["PGSSLMODE"]
        self.isVerified = mode == "verify-full"
        let places = named.map { $0.address ?? environment["PGHOSTADDR"] ?? $0.host ?? environment["PGHOST"] ?? "" }
        self.isLocal =
            values["service"] == nil && environment["PGSERVICE"] == nil
            && places.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
                .allSatisfy { Self.isLocal(String($0)) }
        self.connectTimeout = values["connect_timeout"].flatMap { Int($0) }.flatMap { $0 > 0 ? .seconds($0) : nil }
        self.applicationName = values["application_name"]
        self.defaults = [
            ("application_name", "medbuilder"), ("tcp_user_timeout", "5000"), ("keepalives_idle", "30"),
            ("keepalives_interval", "5"), ("keepalives_count", "3"),
        ].filter { values[$0.0] == nil }
    }

    /// The places to try, in order.
    var attempts: [Connector.Attempt] {
        guard self.sessionAttributes == "prefer-standby" else { return self.hosts }
        return ["standby", "any"].flatMap { attributes in
            self.hosts.map { attempt in
                var attempt = attempt
                attempt.sessionAttributes = attributes
                return attempt
            }
        }
    }

    /// What libpq is given for an attempt; later entries win.
    func parameters(for attempt: Connector.Attempt) -> [(key: String, value: String)] {
        // Texts are read and written as UTF-8, whatever the server, the role or the database would like.
        var parameters = [("dbname", self.url)] + self.defaults + [("client_encoding", "UTF8")]
        if self.hasSeveralHosts || attempt.sessionAttributes != nil {
            parameters.append(("host", attempt.host ?? ""))
            if let address = attempt.address { parameters.append(("hostaddr", address)) }
            if let port = attempt.port { parameters.append(("port", port)) }
        }
        if let attributes = attempt.sessionAttributes { parameters.append(("target_session_attrs", attributes)) }
        return parameters
    }

    private static func attempts(_ values: [String: String]) -> [Connector.Attempt] {
        func list(_ key: String) -> [String] {
            values[key].map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) } ?? []
        }
        let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"))
        return (0..<max(hosts.count, addresses.count, 1)).map { index in
            Connector.Attempt(
                host: index < hosts.count ? hosts[index] : nil,
                address: index < addresses.count ? addresses[index] : nil,
                // One port goes for all hosts.
                port: index < ports.count ? ports[index] : ports.last)
        }
    }

    private static func isLocal(_ host: String) -> Bool {
        if host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") || host == "localhost" || host == "::1" {
            return true
        }
        // `127.0.0.1.example.org` is a name, and anybody's.
        var address = in_addr()
        return host.hasPrefix("127.") && inet_pton(AF_INET, host, &address) == 1
    }
}
