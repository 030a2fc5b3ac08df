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

    static func haproxy(port: Int, backends: [Int]) -> String {
        """
        global
            maxconn 4096
        defaults
            mode http
            timeout connect 2s
            timeout server 60s
            timeout client 60s
            timeout queue 10s
            timeout check 2s
            timeout http-request 10s
            option redispatch 1
            retries 3
            retry-on all-retryable-errors
            http-reuse always
        frontend clients
            bind 127.0.0.1:\(port)
            default_backend servers
        backend servers
            balance leastconn
            option httpchk GET /ready
            http-request disable-l7-retry unless { method GET HEAD }
        \(backends.enumerated().map { index, backend in
            "    server s\(index) 127.0.0.1:\(backend) check inter 1s fall 2 rise 1 maxconn 256"
        }.joined(separator: "\n"))

        """
    }

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
            # What is not idempotent goes to another server only if the connection was refused.
            proxy_next_upstream error timeout http_503;
            server {
                listen 127.0.0.1:\(port) backlog=4096;
                location / {
                    proxy_pass http://backends;
                    # Or if the server says that it takes nothing more, and did nothing: 503.
                    proxy_intercept_errors on;
                    error_page 503 = @again;
                    recursive_error_pages on;
                }
                # nginx may choose the same server again, since it does not count such an answer as a failure.
                location @again {
                    proxy_pass http://backends;
                    proxy_intercept_errors on;
                    error_page 503 = @once_more;
                }
                location @once_more {
                    proxy_pass http://backends;
                    proxy_intercept_errors on;
                    error_page 503 = @at_last;
                }
                location @at_last {
                    proxy_pass http://backends;
                }
            }
        }

        """
    }
}
