// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why protected health information is used or disclosed: the purposes that the HIPAA Privacy Rule permits.
///
/// Each names the paragraph of 45 CFR Part 164 that permits it. The rule has conditions of its own for every one of them
/// (minimum necessary, a written authorization, notice to the individual, …): naming a purpose says which conditions
/// apply, and proves none of them.
///
/// ```swift
/// let name = patient.name.disclose(for: .treatment)
/// ```
public struct Purpose: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    private enum Value: String, CaseIterable {
        case treatment
        case payment
        case healthcareOperations
        case individualRequest
        case authorization
        case facilityDirectory
        case involvedInCare
        case requiredByLaw
        case publicHealth
        case abuseOrNeglect
        case healthOversight
        case judicialProceedings
        case lawEnforcement
        case decedents
        case organDonation
        case research
        case seriousThreat
        case governmentFunctions
        case workersCompensation
        case complianceReview
    }

    private let value: Value

    /// A stable name in lower camel case, for a record of the disclosure: `treatment`.
    public var name: String { self.value.rawValue }
    /// The same as ``name``.
    public var description: String { self.value.rawValue }

    /// All purposes, in the order in which the rule gives them.
    public static var allCases: [Purpose] { Value.allCases.map(Self.init(value:)) }

    /// To provide, coordinate or manage care: 45 CFR 164.506(c)(1) and (2).
    public static let treatment = Purpose(value: .treatment)
    /// To be paid for care, or to pay for it: 45 CFR 164.506(c)(1) and (3).
    public static let payment = Purpose(value: .payment)
    /// Quality assessment, training, audits, running the business of care: 45 CFR 164.506(c)(1), (4) and (5).
    public static let healthcareOperations = Purpose(value: .healthcareOperations)
    /// To the individual, who asked for it: 45 CFR 164.502(a)(1)(i) and 164.524.
    public static let individualRequest = Purpose(value: .individualRequest)
    /// By a written authorization of the individual: 45 CFR 164.508.
    public static let authorization = Purpose(value: .authorization)
    /// The directory of a facility, unless the individual objects: 45 CFR 164.510(a).
    public static let facilityDirectory = Purpose(value: .facilityDirectory)
    /// To family and others who take part in the individual's care, and for disaster relief: 45 CFR 164.510(b).
    public static let involvedInCare = Purpose(value: .involvedInCare)
    /// Required by law: 45 CFR 164.512(a).
    public static let requiredByLaw = Purpose(value: .requiredByLaw)
    /// Public health activities, such as reporting a disease: 45 CFR 164.512(b).
    public static let publicHealth = Purpose(value: .publicHealth)
    /// About victims of abuse, neglect or domestic violence: 45 CFR 164.512(c).
    public static let abuseOrNeglect = Purpose(value: .abuseOrNeglect)
    /// To an agency that oversees health care: 45 CFR 164.512(d).
    public static let healthOversight = Purpose(value: .healthOversight)
    /// Judicial and administrative proceedings: 45 CFR 164.512(e).
    public static let judicialProceedings = Purpose(value: .judicialProceedings)
    /// For law enforcement: 45 CFR 164.512(f).
    public static let lawEnforcement = Purpose(value: .lawEnforcement)
    /// About the dead, to coroners, medical examiners and funeral directors: 45 CFR 164.512(g).
    public static let decedents = Purpose(value: .decedents)
    /// Donation of organs, eyes or tissue: 45 CFR 164.512(h).
    public static let organDonation = Purpose(value: .organDonation)
    /// Research that a board approved: 45 CFR 164.512(i).
    public static let research = Purpose(value: .research)
    /// To avert a serious threat to health or safety: 45 CFR 164.512(j).
    public static let seriousThreat = Purpose(value: .seriousThreat)
    /// Specialized government functions, such as those of the military: 45 CFR 164.512(k).
    public static let governmentFunctions = Purpose(value: .governmentFunctions)
    /// Workers' compensation: 45 CFR 164.512(l).
    public static let workersCompensation = Purpose(value: .workersCompensation)
    /// To the Secretary of Health and Human Services, who examines compliance: 45 CFR 164.502(a)(2)(ii).
    public static let complianceReview = Purpose(value: .complianceReview)
}
