//! The findings of the report: the verdict's first, then by importance, each with its advice.

use crate::diagnose::advice::advice;
use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::judge::causes::Judged;
use crate::diagnose::judge::choose::order;
use crate::model::finding::Finding;
use crate::model::report::Verdict;

/// The findings for the report: the verdict's first, then by importance, each with its advice filled in.
pub(super) fn findings(facts: &Facts<'_>, mut judged: Vec<Judged>, verdict: &Verdict) -> Vec<Finding> {
    judged.sort_by(|a, b| {
        let key =
            |judged: &Judged| (judged.rule.id == verdict.bottleneck, judged.hit.severity, order(judged));
        key(b).partial_cmp(&key(a)).unwrap_or(std::cmp::Ordering::Equal)
    });
    judged
        .into_iter()
        .map(|judged| {
            let hit = &judged.hit;
            let mut finding = Finding {
                id: judged.rule.id,
                resource: judged.rule.resource,
                severity: hit.severity,
                confidence_ratio: hit.confidence_ratio,
                impact_ratio: hit.impact.ratio(),
                summary: hit.summary.clone(),
                explained_by: judged.explained_by,
                evidence: hit.evidence.clone(),
                against: hit.against.clone(),
                suspects: hit.suspects.clone(),
                advice: Vec::new(),
            };
            finding.advice = advice(facts, &judged, &finding);
            finding
        })
        .collect()
}
