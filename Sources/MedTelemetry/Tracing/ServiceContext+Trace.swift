// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Instrumentation

extension ServiceContext {
    private enum BaggageKey: InstrumentationContextKey {
        typealias Value = Baggage
        static var nameOverride: String? { "baggage" }
    }

    /// The place in a trace that goes with this context.
    public var traceContext: TraceContext? {
        get { self.traceScope?.trace }
        set { self.traceScope = newValue.map { TraceScope(trace: $0) } }
    }

    /// What the services of a trace tell one another.
    public var baggage: Baggage? {
        get { self[BaggageKey.self] }
        set { self[BaggageKey.self] = newValue }
    }
}
