// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Hummingbird

/// What this server is for. Nothing here knows of the lifecycle.
struct Routes {
    let greetings: Greetings

    var router: Router<BasicRequestContext> {
        let router = Router()
        router.get("hello") { _, _ in try self.greetings.any() }
        router.get("sleep") { request, _ in
            guard let pause = request.uri.queryParameters["ms"].flatMap({ Int($0) }) else {
                throw HTTPError(.badRequest)
            }
            try await Task.sleep(for: .milliseconds(pause))
            return "slept"
        }
        router.get("trap") { _, _ in
            let nothing = Int("")
            // swift-format-ignore: NeverForceUnwrap
            return "\(nothing!)"  // Meant to trap.
        }
        return router
    }
}
