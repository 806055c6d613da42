//! How far a part's implementation is validated under FIPS 140-3, and what a validated module says of itself.

/// The validation of an implementation, weakest first, so that the minimum of all parts is that of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FipsStatus {
    /// Not part of any validated module.
    Unvalidated,
    /// In a module whose validation is under way.
    Pending,
    /// In a validated module.
    Certified {
        /// The number on the CMVP certificate.
        certificate: &'static str,
    },
}

/// A cryptographic module that a backend stands on.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// As the module names itself, with its version.
    pub name: &'static str,
    /// The number on its CMVP certificate.
    pub certificate: &'static str,
    /// Runs the module's own tests and uses each of its services once. Takes about a second.
    pub self_test: fn() -> Vec<Check>,
}

/// One thing that a self-test looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// In a few words.
    pub name: &'static str,
    /// The standard and its section, if it is an operation of one.
    pub standard: &'static str,
    /// Whether the module counted it as approved (FIPS 140-3 IG 2.4.C), for operations.
    pub approved: Option<bool>,
    /// What was seen, or why it failed.
    pub outcome: Result<String, String>,
}
