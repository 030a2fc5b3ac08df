// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The known name that somebody who wrote `name` most likely meant, if one is close.
///
/// Case and separators do not count, so that `SHUTDOWN_GRACE_SECONDS` finds `shutdown.graceSeconds`.
func nearestName(to name: String, in known: [String]) -> String? {
    func letters(_ text: String) -> [Character] {
        text.lowercased().filter { $0.isLetter || $0.isNumber }
    }
    let wanted = letters(String(name.prefix(100)))
    let ranked = known.map { (name: $0, distance: editDistance(wanted, letters($0))) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, wanted.count / 4) ? best.name : nil
}

/// How many insertions, removals, replacements and swaps of neighbours turn one text into the other.
private func editDistance(_ left: [Character], _ right: [Character]) -> Int {
    var rows = [Array(0...right.count)]
    for i in left.indices {
        var row = [i + 1]
        for j in right.indices {
            var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (left[i] == right[j] ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                cost = min(cost, rows[i - 1][j - 1] + 1)
            }
            row.append(cost)
        }
        rows.append(row)
    }
    return rows[left.count][right.count]
}
