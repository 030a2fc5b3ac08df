// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What stands between the clients of a drill and the replicas.
public enum DrillProxy: String, Sendable, CaseIterable {
    /// HAProxy, which asks each replica for `/ready`.
    case haproxy
    /// nginx, which has only the requests themselves to learn from.
    case nginx
    /// Nothing: each client holds connections to the replicas, and makes new ones to those that are ready.
    case direct

    /// Starts it in front of the ports; nil for none.
    ///
    /// - Returns: its port.
    func start(for backends: [Int], in folder: URL, fleet: Fleet) async throws -> Int? {
        let port = try FreePort.next()
        let text: String
        let arguments: [String]
        let file = folder.appending(path: "\(self.rawValue).conf")
        switch self {
        case .haproxy:
            text = Self.haproxy(port: port, backends: backends)
            arguments = ["-db", "-f", file.path]
        case .nginx:
            text = Self.nginx(port: port, backends: backends)
            arguments = ["-p", folder.path, "-c", file.path, "-e", "nginx-errors.log"]
        case .direct: return nil
        }
        try Data(text.utf8).write(to: file)
        guard
            let program = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"].map({
                "\($0)/\(self.rawValue)"
            })
            .first(where: { FileManager.default.isExecutableFile(atPath: $0) })
        else { throw DrillError("There is no \(self.rawValue) on this machine. Install it, or choose another proxy.") }
        let process = try await DrillProcess.start(
            program, arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], folder: folder,
            log: "\(self.rawValue).log")
        await fleet.adopt(process)
        for _ in 0..<100 {
            if process.isGone { break }
            if Self.listens(port) { return port }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw DrillError("\(self.rawValue) does not listen. Its last words: \(process.lastLine)")
    }

    private static func listens(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return Loopback.connect(descriptor, port: port) == 0
    }

    /// That of `deploy/compose/haproxy.cfg`, without what is for containers and for the log.
    static func haproxy(port: Int, backends: [Int]) -> String {
        """
        global
            maxconn 8192
        defaults
            mode http
            timeout connect 2s
            timeout client 60s
            timeout server 60s
            timeout http-request 10s
            timeout http-keep-alive 60s
            timeout queue 5s
            timeout check 2s
        frontend clients
            bind 127.0.0.1:\(port)
            default_backend servers
        backend servers
            balance leastconn
            option httpchk GET /ready
            http-check expect status 200
            retries 3
            option redispatch 1
            retry-on conn-failure empty-response 503
            http-request disable-l7-retry unless { method GET HEAD }
            http-reuse safe
            default-server check inter 1s fastinter 250ms fall 2 rise 1 maxconn 1024 pool-purge-delay 5s
        \(backends.enumerated().map { index, backend in
            "    server s\(index) 127.0.0.1:\(backend)"
        }.joined(separator: "\n"))

        """
    }

    /// In the place of an answer of the server's.
    private static let unavailable =
        #"add_header Retry-After 1 always; return 503 '{"error":"unavailable"}';"#

    static func nginx(port: Int, backends: [Int]) -> String {
        """
        daemon off;
        # One process, which ends with the drill: workers would outlive a master that is killed.
        master_process off;
        pid nginx.pid;
        events { worker_connections 4096; }
        http {
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            keepalive_requests 1000000;
            upstream backends {
                least_conn;
                \(backends.map { "server 127.0.0.1:\($0) max_fails=1 fail_timeout=1s;" }.joined(separator: "\n        "))
                keepalive 64;
                # Far shorter than the drain delay: a POST on a connection that the server closes in that moment is lost.
                keepalive_timeout 500ms;
            }
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_connect_timeout 2s;
            # What nobody may repeat, POST and PATCH, goes to another server only if the connection was refused. PUT and DELETE may run twice.
            proxy_next_upstream error timeout http_503;
            server {
                listen 127.0.0.1:\(port) backlog=4096;
                recursive_error_pages on;
                default_type application/json;
                location / {
                    proxy_pass http://backends;
                    proxy_intercept_errors on;
                    error_page 503 = @again;
                }
                # Or if the server refused it and did nothing, as it says in a header: then, with its body, to another one. Any other 503 may
                # be of a request that was half done. nginx has thrown away its body by now.
                location @again {
                    if ($upstream_http_x_request_refused = "") { \(Self.unavailable) }
                    proxy_pass http://backends;
                    proxy_intercept_errors on;
                    error_page 503 = @once_more;
                }
                # nginx may choose the same server again, since it does not count such an answer as a failure.
                location @once_more {
                    if ($upstream_http_x_request_refused = "") { \(Self.unavailable) }
                    proxy_pass http://backends;
                    proxy_intercept_errors on;
                    error_page 503 = @at_last;
                }
                location @at_last {
                    if ($upstream_http_x_request_refused = "") { \(Self.unavailable) }
                    proxy_pass http://backends;
                }
            }
        }

        """
    }
}
