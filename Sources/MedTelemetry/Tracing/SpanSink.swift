// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Where ended spans go. It must not block: it is called by whoever ends a span.
public typealias SpanSink = @Sendable (FinishedSpan) -> Void
