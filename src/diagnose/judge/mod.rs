//! From findings to one verdict: [`confidence`] and [`missing_inputs`] say how sure a finding is, [`causes`] which finding
//! explains which, [`container`] whose numbers they are, and [`choose`] picks the verdict and the culprit.

pub mod causes;
pub mod choose;
pub mod confidence;
pub mod container;
pub mod culprit;
pub mod missing_inputs;
pub mod not_checked;
pub mod since;
