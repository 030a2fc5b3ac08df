// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage

// GRDB has types of the same names; here, the short ones are ours and theirs are spelled `GRDB.Database`.
typealias DatabaseError = MedStorage.DatabaseError
typealias Row = MedStorage.Row
typealias Statement = MedStorage.Statement
