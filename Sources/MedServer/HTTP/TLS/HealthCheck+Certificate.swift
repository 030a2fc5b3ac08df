// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MedRuntime

extension HealthCheck {
    /// When the certificate that new connections get expires.
    ///
    /// It is degraded in its last fourteen days, or in the last fifth of its time if that is less: whatever renews
    /// certificates has failed by then. Certificates of 90 days are renewed 30 days before their end as a rule, those of a
    /// day after two thirds of it.
    static func certificate(
        of identity: TLSIdentity,
        now: @escaping @Sendable () -> Date = { Date() }
    ) -> HealthCheck {
        let run = { @Sendable () -> HealthReport in
            let validity = identity.validity
            let left = validity.end.timeIntervalSince(now())
            let warning = min(14 * 86400, validity.duration / 5)
            let details: [(name: String, value: HealthReport.Value)] = [
                ("expiresInDays", .integer(Int((left / 86400).rounded(.down)))),
                ("expires", .string(Timestamp(date: validity.end).description)),
            ]
            guard left <= warning else { return HealthReport(status: .healthy, details: details) }
            let sentence = left <= 0 ? "The TLS certificate has expired." : "The TLS certificate expires soon."
            return HealthReport(
                status: left <= 0 ? .unhealthy : .degraded,
                details: details,
                reason: sentence,
                summary: sentence
            )
        }
        return HealthCheck(
            "tlsCertificate",
            interval: .seconds(60),
            observes: Observation(measurement: "expiresIn", unit: "days", detail: "expiresInDays"),
            componentType: "system",
            detailsArePublic: true,
            initial: run(),
            unanswered: HealthReport(
                status: .degraded,
                details: [("expiresInDays", .null), ("expires", .null)],
                reason: "The TLS certificate could not be looked at in time.",
                summary: "The TLS certificate could not be looked at in time."
            )
        ) { run() }
    }
}
