//! Everything that reads a source: walking, excludes, files, SQLite databases, streams and owners.
//!
//! Plain synchronous code that knows nothing of stores, chunks or cryptography. What it finds are
//! `vault_format::entry::Entry` values in `path_cmp` order: a folder, then its contents, then its next sibling.

mod dir;
pub mod error;
pub mod exclude;
pub mod file;
mod inode_guard;
pub mod owner;
pub mod sqlite;
pub mod stream;
pub mod walk;
pub mod xattr;

pub use dir::DirHandle;
pub use error::{ProblemKind, SourceError, WalkProblem, display_path};
pub use exclude::{ExcludeError, Excludes, Overlap, WalkOptions, overlap};
pub use file::{FileReader, SmallRead, Stability, read_settled, read_small};
pub use owner::Owners;
pub use sqlite::{NotCapturable, SqliteCapture};
pub use stream::{StreamError, StreamSource};
pub use walk::{Found, Walk};
