// MedBuilder
// SPDX-License-Identifier: Apache-2.0

public import Tracing

/// A span that has ended, as it is exported. Its texts are scrubbed, and cut where they were too long.
public struct FinishedSpan: Sendable {
    /// Something that happened during the span.
    public struct Event: Sendable, Equatable {
        public var name: String
        /// In nanoseconds since 1970.
        public var time: UInt64
        public var attributes: [OTLPAttribute]
        /// How many attributes did not fit.
        public var droppedAttributeCount: Int
    }

    /// Another span that has to do with this one.
    public struct Link: Sendable, Equatable {
        public var context: TraceContext
        public var attributes: [OTLPAttribute]
        /// How many attributes did not fit.
        public var droppedAttributeCount: Int
    }

    /// How it went.
    public enum Status: Sendable, Equatable {
        case unset
        case ok
        case error(String)
    }

    /// The trace and the span.
    public var context: TraceContext
    /// The span within which this one happened.
    public var parentSpanID: SpanID?
    /// Whether that is a span of another process.
    public var hasRemoteParent: Bool
    /// What was done.
    public var name: String
    public var kind: SpanKind
    /// In nanoseconds since 1970.
    public var start: UInt64
    /// In nanoseconds since 1970; never before ``start``.
    public var end: UInt64
    /// Sorted by name.
    public var attributes: [OTLPAttribute]
    public var droppedAttributeCount: Int
    public var events: [Event]
    public var droppedEventCount: Int
    public var links: [Link]
    public var droppedLinkCount: Int
    public var status: Status

    /// A span without attributes, events and links.
    public init(
        context: TraceContext, parentSpanID: SpanID? = nil, hasRemoteParent: Bool = false, name: String,
        kind: SpanKind = .internal, start: UInt64, end: UInt64, attributes: [OTLPAttribute] = [],
        status: Status = .unset
    ) {
        self.context = context
        self.parentSpanID = parentSpanID
        self.hasRemoteParent = hasRemoteParent
        self.name = name
        self.kind = kind
        self.start = start
        self.end = end
        self.attributes = attributes
        self.droppedAttributeCount = 0
        self.events = []
        self.droppedEventCount = 0
        self.links = []
        self.droppedLinkCount = 0
        self.status = status
    }

    /// About how many bytes of memory it takes.
    var size: Int {
        var size = 256 + self.name.utf8.count + self.context.traceState.utf8.count
        for attribute in self.attributes { size += attribute.size }
        for event in self.events {
            size += 48 + event.name.utf8.count
            for attribute in event.attributes { size += attribute.size }
        }
        for link in self.links {
            size += 64 + link.context.traceState.utf8.count
            for attribute in link.attributes { size += attribute.size }
        }
        if case .error(let message) = self.status { size += message.utf8.count }
        return size
    }
}
