//! Why bytes are not what they should be.

/// A structure that this version does not accept. Variants are meanings, `what` and `field` name the place in SPEC's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end inside of the structure.
    #[error("{what} is cut short")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// Bytes are left over after the structure.
    #[error("{what} is followed by bytes that do not belong to it")]
    Trailing {
        /// The structure that had ended.
        what: &'static str,
    },
    /// An unknown code or a reserved byte that is not zero: written by a newer version (SPEC section 17).
    #[error("newer format: {field} {value}")]
    NewerFormat {
        /// The field with the unknown value.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// More than SPEC section 12 allows.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: u64,
    },
    /// A value in another than its one permitted form, such as a varint with a superfluous byte.
    #[error("{what} is not in its only valid form")]
    NotCanonical {
        /// The value.
        what: &'static str,
    },
    /// Things that ascend strictly do not.
    #[error("{what} are not in strictly ascending order")]
    Order {
        /// The things, in the plural.
        what: &'static str,
    },
    /// Padding that is not zero.
    #[error("{what} is not zero")]
    NotZero {
        /// The padding.
        what: &'static str,
    },
    /// A value that cannot be, alone or beside the others of the structure.
    #[error("{what} is invalid")]
    Invalid {
        /// The value.
        what: &'static str,
    },
    /// A value that is fine by itself, but belongs elsewhere than where it was found.
    #[error("{field} differs from what this place demands")]
    Mismatch {
        /// The field that differs.
        field: &'static str,
    },
}

impl FormatError {
    /// The variant's name, as vectors write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "Truncated",
            Self::Trailing { .. } => "Trailing",
            Self::NewerFormat { .. } => "NewerFormat",
            Self::Limit { .. } => "Limit",
            Self::NotCanonical { .. } => "NotCanonical",
            Self::Order { .. } => "Order",
            Self::NotZero { .. } => "NotZero",
            Self::Invalid { .. } => "Invalid",
            Self::Mismatch { .. } => "Mismatch",
        }
    }
}
