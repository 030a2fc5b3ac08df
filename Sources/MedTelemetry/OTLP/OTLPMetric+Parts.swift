// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension OTLPMetric {
    /// How many points it has.
    var pointCount: Int {
        switch self.data {
        case .gauge(let points), .sum(let points, _, _): points.count
        case .histogram(let points, _): points.count
        case .exponentialHistogram(let points, _): points.count
        }
    }

    /// The same metric twice, each with half of the points; itself if it cannot be taken apart.
    var halves: [OTLPMetric] {
        let half = self.pointCount / 2
        guard half > 0 else { return [self] }
        var (first, second) = (self, self)
        switch self.data {
        case .gauge(let points):
            first.data = .gauge(Array(points[..<half]))
            second.data = .gauge(Array(points[half...]))
        case .sum(let points, let isMonotonic, let temporality):
            first.data = .sum(Array(points[..<half]), isMonotonic: isMonotonic, temporality)
            second.data = .sum(Array(points[half...]), isMonotonic: isMonotonic, temporality)
        case .histogram(let points, let temporality):
            first.data = .histogram(Array(points[..<half]), temporality)
            second.data = .histogram(Array(points[half...]), temporality)
        case .exponentialHistogram(let points, let temporality):
            first.data = .exponentialHistogram(Array(points[..<half]), temporality)
            second.data = .exponentialHistogram(Array(points[half...]), temporality)
        }
        return [first, second]
    }
}
