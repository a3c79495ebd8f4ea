//! What is claimed about one request: which parts of its time are more than is usual.

use super::{Analyses, Culprit, PartItem, Shown};

/// Something that is claimed about a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FindingItem {
    pub(crate) title: String,
    /// How much more time it took than in the typical request.
    pub(crate) excess_ns: u64,
    /// What shows it, the most telling first.
    pub(crate) evidence: Vec<Shown>,
    /// What in a range of evidence is to blame.
    pub(crate) culprit: Culprit,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

impl Analyses {
    /// What is claimed about a request: the parts of its time that are larger than in the median
    /// request of the capture, the largest difference first.
    pub(crate) fn findings_of(&self, request: usize) -> Vec<FindingItem> {
        let Some(of) = self.requests.get(request) else { return Vec::new() };
        let mut findings: Vec<FindingItem> = of
            .parts
            .iter()
            .map(|part| FindingItem {
                title: part.name(),
                excess_ns: part.ns.saturating_sub(self.typical_ns(part)),
                evidence: part.evidence.to_vec(),
                culprit: part.culprit(),
                remedy: part.remedy(),
            })
            .filter(|finding| finding.excess_ns > 0)
            .collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.excess_ns));
        findings
    }

    /// What the median request spent on the same; nothing when there is no other request.
    fn typical_ns(&self, part: &PartItem) -> u64 {
        if self.requests.len() < 2 {
            return 0;
        }
        let in_request =
            |parts: &[PartItem]| parts.iter().find(|of| of.kind == part.kind).map_or(0, |of| of.ns);
        let mut all: Vec<u64> =
            self.requests.iter().map(|request| in_request(&request.parts)).collect();
        all.sort_unstable();
        all.get((all.len() - 1) / 2).copied().unwrap_or(0)
    }
}
