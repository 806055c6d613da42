//! How far a part's implementation is validated under FIPS 140-3.

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
