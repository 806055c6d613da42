//! Standard input and the output of a command, as a source with one file.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use vault_format::entry::{Entry, Kind, Time};

use super::dir::Meta;
use super::walk::fits_manifest;

/// A stream of bytes that becomes one file.
pub struct StreamSource {
    filename: Vec<u8>,
    begun: Time,
    size: u64,
    ended: bool,
    input: Box<dyn Read + Send>,
    child: Option<Running>,
}

impl StreamSource {
    /// Standard input. `filename` is the path of the file in the snapshot.
    pub fn stdin(filename: &OsStr) -> Result<Self, StreamError> {
        Self::new(filename, Box::new(io::stdin()), None)
    }

    /// The output of a command: program and arguments, no shell. Its environment has no variable whose name begins
    /// with `ZVAULT_`, so that no passphrase reaches it; its standard error is that of this process.
    pub fn command(argv: &[OsString], filename: &OsStr) -> Result<Self, StreamError> {
        let (program, arguments) = argv.split_first().ok_or(StreamError::NoCommand)?;
        check(filename)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(OWN_VARIABLES)) {
            command.env_remove(name);
        }
        let failed = |error| StreamError::Start { program: program.clone(), error };
        let mut child = command.spawn().map_err(failed)?;
        let output = child.stdout.take().ok_or_else(|| failed(io::Error::other("it has no output")))?;
        let child = Running { program: program.clone(), child };
        Self::new(filename, Box::new(output), Some(child))
    }

    /// The next bytes; 0 at the end.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let len = read?;
                    self.size += len as u64;
                    self.ended |= len == 0 && !buf.is_empty();
                    return Ok(len);
                }
            }
        }
    }

    /// To be called after the last byte: the entries of the source in path order, the file last. An error means that
    /// the source failed, whatever was read: the command did not end well, or the stream was not read to its end.
    pub fn finish(mut self) -> Result<Vec<Entry>, StreamError> {
        if !self.ended {
            return Err(StreamError::Unfinished);
        }
        if let Some(mut running) = self.child.take() {
            let failed = |error| StreamError::Start { program: running.program.clone(), error };
            let status = running.child.wait().map_err(failed)?;
            if !status.success() {
                return Err(StreamError::Failed { program: running.program.clone(), status });
            }
        }
        let folders = self.filename.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at);
        let folders = std::iter::once(0).chain(folders).map(|end| self.entry(Kind::Dir, &self.filename[..end]));
        Ok(folders.chain([self.entry(Kind::File, &self.filename)]).collect())
    }

    fn new(filename: &OsStr, input: Box<dyn Read + Send>, child: Option<Running>) -> Result<Self, StreamError> {
        let filename = check(filename)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let secs = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let begun = Time { secs, nanos: since.subsec_nanos() };
        Ok(Self { filename, begun, size: 0, ended: false, input, child })
    }

    fn entry(&self, kind: Kind, path: &[u8]) -> Entry {
        let meta = Meta {
            kind: Some(kind),
            mode: if kind == Kind::Dir { 0o700 } else { 0o600 },
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            links: 1,
            mtime: self.begun,
            ctime: self.begun,
            inode: 0,
            device: 0,
            rdev: 0,
            size: if kind == Kind::File { self.size } else { 0 },
            allocated: 0,
        };
        meta.entry(kind, path.to_vec())
    }
}

/// A stream that is no source.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The name of the file is not usable.
    #[error(
        "{filename:?} cannot be the name of a file in a snapshot: it is empty, absolute, or has an empty, `.` or `..` part"
    )]
    Filename {
        /// The name.
        filename: OsString,
    },
    /// There is no program to run.
    #[error("no command given")]
    NoCommand,
    /// The command cannot be run.
    #[error("cannot run {program:?}")]
    Start {
        /// The program.
        program: OsString,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The command ended, but not well.
    #[error("{program:?} failed ({status}): its output is not complete")]
    Failed {
        /// The program.
        program: OsString,
        /// How it ended.
        status: ExitStatus,
    },
    /// `finish` came before the end of the stream.
    #[error("the stream was not read to its end")]
    Unfinished,
}

/// A command that does not outlive its source.
struct Running {
    program: OsString,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn check(filename: &OsStr) -> Result<Vec<u8>, StreamError> {
    let bytes = filename.as_bytes();
    let bad = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.contains(&0);
    if !fits_manifest(bytes) || bytes.split(|&byte| byte == b'/').any(bad) {
        return Err(StreamError::Filename { filename: filename.to_owned() });
    }
    Ok(bytes.to_vec())
}

const OWN_VARIABLES: &[u8] = b"ZVAULT_";

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str]) -> Result<StreamSource, StreamError> {
        let argv: Vec<_> = argv.iter().map(OsString::from).collect();
        StreamSource::command(&argv, OsStr::new("db/dump.sql"))
    }

    fn drain(stream: &mut StreamSource) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = [0; 1000];
        loop {
            match stream.read(&mut buf).expect("reads") {
                0 => return all,
                len => all.extend_from_slice(&buf[..len]),
            }
        }
    }

    #[test]
    fn output_becomes_a_file_in_its_folders() {
        let mut stream = command(&["printf", "%s|", "a b", "$HOME"]).expect("runs");
        assert_eq!(drain(&mut stream), b"a b|$HOME|");
        let entries = stream.finish().expect("succeeds");
        let paths: Vec<_> = entries.iter().map(|entry| (entry.path.as_slice(), entry.kind, entry.size)).collect();
        assert_eq!(paths, [(&b""[..], Kind::Dir, 0), (b"db", Kind::Dir, 0), (b"db/dump.sql", Kind::File, 10)]);
        assert!(entries[2].mtime.secs > 1_600_000_000);
    }

    #[test]
    fn a_failing_command_fails_the_source_though_it_wrote() {
        let mut stream = command(&["sh", "-c", "echo part; exit 3"]).expect("runs");
        assert_eq!(drain(&mut stream), b"part\n");
        let error = stream.finish().expect_err("exit code 3");
        assert!(matches!(&error, StreamError::Failed { status, .. } if status.code() == Some(3)), "{error}");
        assert!(matches!(command(&["/no/such/program"]), Err(StreamError::Start { .. })));
        assert!(matches!(command(&[]), Err(StreamError::NoCommand)));
    }

    #[test]
    fn a_command_that_is_given_up_does_not_stay() {
        let mut stream = command(&["yes"]).expect("runs");
        assert_ne!(stream.read(&mut [0; 100]).expect("reads"), 0);
        assert!(matches!(stream.finish(), Err(StreamError::Unfinished)));
    }

    #[test]
    fn filenames_are_plain_relative_paths() {
        for bad in ["", "/abs", "a//b", "a/", "../x", "a/../b", "./a", "a/.", "nul\0"] {
            assert!(matches!(StreamSource::stdin(OsStr::new(bad)), Err(StreamError::Filename { .. })), "{bad:?}");
        }
        for good in ["x", "a/b.c", "..x", "a/...", "new\nline"] {
            assert!(StreamSource::stdin(OsStr::new(good)).is_ok(), "{good:?}");
        }
        assert!(StreamSource::stdin(OsStr::from_bytes(b"bad\xff")).is_ok());
    }

    #[test]
    fn a_command_inherits_nothing_of_ours() {
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "source::stream::tests::with_our_variables", "--ignored"])
            .env("ZVAULT_PASSPHRASE", "canary")
            .env("ZVAULT_", "canary")
            .env("OTHER", "stays")
            .output()
            .expect("runs");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
    }

    #[test]
    #[ignore = "needs an environment that another test makes"]
    fn with_our_variables() {
        assert!(std::env::var_os("ZVAULT_PASSPHRASE").is_some());
        let mut stream = command(&["env"]).expect("runs");
        let variables = drain(&mut stream);
        let text = String::from_utf8_lossy(&variables);
        assert!(text.contains("OTHER=stays") && !text.contains("canary") && !text.contains("ZVAULT_"), "{text}");
    }
}
