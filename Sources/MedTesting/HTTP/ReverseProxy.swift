// MedBuilder
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import MedDrill

/// nginx or HAProxy in front of servers of this machine, set up as for production, with its files in a folder of a test.
///
/// ```swift
/// let proxy = try ReverseProxy(.haproxy, in: folder, backends: [first, second])
/// try await proxy.waitUntilUp()
/// let answer = try await RawClient.exchange(port: proxy.port, "GET", "/live")
/// ```
package final class ReverseProxy: Sendable {
    /// Which one.
    package enum Kind: String, CaseIterable, Sendable {
        /// It notices a backend that fails by the requests it sends there.
        case nginx
        /// It also asks each backend for `/ready`.
        case haproxy
    }

    /// The process itself.
    package let process: ChildProcess
    /// The port.
    package let port: Int
    private let kind: Kind
    private let folder: URL

    /// Starts it in front of `backends`, which are ports.
    ///
    /// - Parameters:
    ///   - clientTimeout: How many seconds it waits for the rest of a request.
    ///   - retries: Whether it sends a request that failed at one backend to another one, if it is idempotent. Without
    ///     it, only one whose connection could not be made.
    ///   - http2: Whether it speaks HTTP/2 without TLS: with its clients, and HAProxy with its backends, too.
    package init(
        _ kind: Kind,
        in folder: URL,
        backends: [Int],
        clientTimeout: Int = 30,
        retries: Bool = true,
        http2: Bool = false
    ) throws {
        self.kind = kind
        self.folder = folder
        self.port = try FreePort.next()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "\(kind.rawValue).conf")
        let text =
            switch kind {
            case .nginx:
                Self.nginx(
                    port: self.port, backends: backends, clientTimeout: clientTimeout, retries: retries, http2: http2)
            case .haproxy:
                Self.haproxy(
                    port: self.port, backends: backends, clientTimeout: clientTimeout, retries: retries, http2: http2)
            }
        try Data(text.utf8).write(to: file)
        // Both stay a single process in the foreground, which is the one that the harness ends.
        let arguments =
            switch kind {
            case .nginx: ["-p", folder.path, "-c", file.path, "-e", "errors.log"]
            case .haproxy: ["-db", "-f", file.path]
            }
        self.process = try ChildProcess(
            kind.rawValue,
            arguments,
            environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            folder: folder
        )
    }

    /// Waits until it listens.
    package func waitUntilUp() async throws {
        let limit = Date(timeIntervalSinceNow: TestPatience.seconds)
        while true {
            do {
                _ = try await RawClient.connect(port: self.port)
                return
            } catch let error as HarnessError where error.code == .refused {
                guard !self.process.hasEnded, Date() < limit else {
                    throw HarnessError(.exited, "\(self.kind.rawValue) does not listen: \(self.process.errorText)")
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// What it wrote about its work: each request, and what it thought of its backends.
    package var log: String {
        switch self.kind {
        case .nginx:
            ["access.log", "errors.log"].compactMap {
                try? String(contentsOf: self.folder.appending(path: $0), encoding: .utf8)
            }.joined()
        case .haproxy:
            self.process.outputText + self.process.errorText
        }
    }

    /// How many requests a backend has answered with this status, as it logged it.
    package func forwarded(status: Int) -> Int {
        self.log.split(separator: "\n").count { $0.contains("backend-status=\(status) ") }
    }

    /// How many requests it has passed to this backend, successfully, as it logged it.
    package func served(by port: Int) -> Int {
        self.log.split(separator: "\n").count {
            $0.contains("backend-status=200 ") && $0.contains("backend=127.0.0.1:\(port),")
        }
    }

    private static func nginx(port: Int, backends: [Int], clientTimeout: Int, retries: Bool, http2: Bool) -> String {
        """
        daemon off;
        master_process off;
        pid nginx.pid;
        events { worker_connections 4096; }
        http {
            log_format backend 'backend-status=$upstream_status status=$status "$request" backend=$upstream_addr,';
            access_log access.log backend;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            client_header_timeout \(clientTimeout)s;
            client_body_timeout \(clientTimeout)s;
            upstream backends {
                \(backends.map { "server 127.0.0.1:\($0) max_fails=1 fail_timeout=1s;" }.joined(separator: "\n        "))
                keepalive 32;
            }
            server {
                listen 127.0.0.1:\(port) backlog=4096\(http2 ? " http2" : "");
                location / {
                    proxy_pass http://backends;
                    proxy_http_version 1.1;
                    proxy_set_header Connection "";
                    proxy_set_header Host $http_host;
                    proxy_request_buffering off;
                    proxy_next_upstream \(retries ? "error timeout http_503" : "off");
                }
            }
        }

        """
    }

    private static func haproxy(port: Int, backends: [Int], clientTimeout: Int, retries: Bool, http2: Bool) -> String {
        """
        global
            maxconn 4096
            noreuseport
            # Threads that write a line at the same moment lose one of the two (haproxy/haproxy#1861), and we count lines.
            nbthread 1
        defaults
            mode http
            log stdout format raw local0
            log-format "backend-status=%[var(txn.backend)] status=%ST %{+Q}r backend=%si:%sp,"
            timeout connect 2s
            timeout server 30s
            timeout client \(clientTimeout)s
            # A server that is slow on a busy machine is not down.
            timeout check 30s
            timeout http-request \(clientTimeout)s
            option redispatch 1
            retries 3
            retry-on \(retries ? "all-retryable-errors" : "conn-failure")
            http-reuse always
            \(backends.count > 1 ? "option httpchk GET /ready" : "")
        frontend clients
            bind 127.0.0.1:\(port) backlog 4096\(http2 ? " proto h2" : "")
            default_backend servers
        backend servers
            http-request disable-l7-retry unless { method GET HEAD }
            http-response set-var(txn.backend) status
        \(backends.enumerated().map { index, backend in
            "    server s\(index) 127.0.0.1:\(backend)" + (http2 ? " proto h2" : "")
                + (backends.count > 1 ? " check check-proto h1 inter 200ms fall 2 rise 1" : "")
        }.joined(separator: "\n"))

        """
    }
}
