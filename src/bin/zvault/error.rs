//! Why a command failed: what happened, and what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use zvault::Trouble;
use zvault::check::CheckError;
use zvault::ls::LsError;
use zvault::mirror::MirrorError;
use zvault::push::PushError;
use zvault::restore::RestoreError;
use zvault::state::StateError;
use zvault::vault::VaultError;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// Nobody reads standard output any more: no failure, but the end.
    OutputClosed,
    /// Everything else.
    Failed(Box<Failed>),
}

/// What there is to say about a failure.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) trouble: Trouble,
    pub(crate) message: String,
    /// The chain of causes, nearest first.
    pub(crate) causes: Vec<String>,
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failed { trouble, message: message.into(), causes: Vec::new(), hints: Vec::new() }))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Trouble::Usage, message)
    }

    /// `what` could not be done to `path`.
    pub(crate) fn io(what: &str, path: &Path, source: &io::Error) -> Self {
        Self::new(Trouble::Failed, format!("cannot {what} {}", path.display())).cause(source)
    }

    /// Standard output does not take any more.
    pub(crate) fn output(source: &io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::new(Trouble::Failed, "cannot write to standard output").cause(source),
        }
    }

    /// For output that is not what the command is for: that nobody reads it is no reason to end.
    pub(crate) fn unless_closed(self) -> Result<(), Self> {
        match self {
            Self::OutputClosed => Ok(()),
            failed @ Self::Failed(_) => Err(failed),
        }
    }

    /// An error of the library.
    pub(crate) fn library(error: &dyn Error, trouble: Trouble, hints: Vec<String>) -> Self {
        let mut failed = Self::new(trouble, error.to_string());
        if let Some(source) = error.source() {
            failed = failed.cause(source);
        }
        hints.into_iter().fold(failed, Self::hint)
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, trouble: Trouble) -> bool {
        matches!(self, Self::Failed(failed) if failed.trouble == trouble)
    }

    /// The message with its causes.
    pub(crate) fn in_one_line(&self) -> String {
        match self {
            Self::OutputClosed => self.to_string(),
            Self::Failed(failed) => {
                failed.causes.iter().fold(failed.message.clone(), |all, cause| format!("{all}: {cause}"))
            }
        }
    }

    /// Adds what caused it, and what caused that.
    pub(crate) fn cause(mut self, source: &dyn Error) -> Self {
        if let Self::Failed(failed) = &mut self {
            let mut next = Some(source);
            while let Some(error) = next {
                let text = error.to_string();
                // Layers that add nothing would only repeat what has been said.
                let said = failed.causes.last().unwrap_or(&failed.message);
                if !said.contains(&text) {
                    failed.causes.push(text);
                }
                next = error.source();
            }
        }
        self
    }

    /// Adds causes that are known as text.
    pub(crate) fn because(mut self, causes: Vec<String>) -> Self {
        if let Self::Failed(failed) = &mut self {
            failed.causes.extend(causes);
        }
        self
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Failed(failed) = &mut self {
            failed.hints.push(hint.into());
        }
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputClosed => f.write_str("nobody reads the output"),
            Self::Failed(failed) => f.write_str(&failed.message),
        }
    }
}

impl Error for CommandError {}

/// Errors of the library say themselves what kind of trouble they are.
macro_rules! from_library {
    ($($error:ty),+) => {$(
        impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::library(&error, error.trouble(), error.hints())
            }
        }
    )+};
}

from_library!(VaultError, PushError, RestoreError, LsError, CheckError, MirrorError);

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        VaultError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_do_not_repeat_what_was_said() {
        #[derive(Debug)]
        struct Layer(&'static str, Option<Box<Layer>>);
        impl fmt::Display for Layer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
        impl Error for Layer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.1.as_deref().map(|it| it as _)
            }
        }
        let layer = |text, below: Option<Layer>| Layer(text, below.map(Box::new));
        let error = layer("cannot open x", Some(layer("cannot open x", Some(layer("denied", None)))));
        let CommandError::Failed(failed) = CommandError::library(&error, Trouble::Storage, vec!["look".into()]) else {
            panic!("not a failure");
        };
        assert_eq!(
            (&*failed.message, failed.causes, failed.hints),
            ("cannot open x", vec!["denied".into()], vec!["look".into()])
        );
    }

    #[test]
    fn a_closed_output_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(CommandError::output(&closed), CommandError::OutputClosed));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(CommandError::output(&full), CommandError::Failed(_)));
    }
}
