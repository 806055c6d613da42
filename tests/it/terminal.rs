//! The program on a terminal of its own: what a person sees there, and what they type.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A program on a terminal.
pub(crate) struct Terminal {
    child: Child,
    /// The person's side.
    person: File,
    /// The program's side, kept open: the terminal outlives the program.
    tty: OwnedFd,
    pieces: Receiver<Vec<u8>>,
    shown: Vec<u8>,
    /// What was waited for is before this.
    seen: usize,
}

impl Terminal {
    /// Starts a program on a terminal of this width, which is its input, its output and what it is controlled by.
    pub(crate) fn start(command: &mut Command, columns: u16) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).and_then(|()| unlockpt(&person)).expect("ours");
        let name = ptsname(&person, Vec::new()).expect("a name");
        let tty = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("its other side");
        tcsetwinsize(&tty, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let side = || tty.try_clone().expect("another descriptor");
        command.stdin(side()).stdout(side()).stderr(side()).env("TERM", "xterm");
        let controlling = side();
        // SAFETY: two system calls and nothing else happen between fork and exec.
        unsafe {
            command.pre_exec(move || {
                setsid()?;
                Ok(ioctl_tiocsctty(&controlling)?)
            });
        }
        let child = command.spawn().expect("it starts");
        let person = File::from(person);
        let mut reads = person.try_clone().expect("another descriptor");
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(len @ 1..) = reads.read(&mut piece) {
                if sender.send(piece[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, person, tty, pieces, shown: Vec::new(), seen: 0 }
    }

    /// Waits for this text behind what was waited for before, and returns everything that was shown up to there.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let new = self.shown[self.seen..].windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = new {
                self.seen += at + text.len();
                return plain(&self.shown[..self.seen]);
            }
            match self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.shown.extend(piece),
                Err(error) => panic!("no {text:?} ({error}) behind {:?}", plain(&self.shown)),
            }
        }
    }

    /// What a person types. Enter is `\r`, Ctrl-C `\x03`.
    pub(crate) fn type_in(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).expect("typed");
    }

    /// Waits until what is typed is not shown, or is shown again.
    #[track_caller]
    pub(crate) fn wait_for_echo(&self, echoes: bool) {
        let deadline = Instant::now() + PATIENCE;
        while tcgetattr(&self.tty).expect("a terminal").local_modes.contains(LocalModes::ECHO) != echoes {
            assert!(Instant::now() < deadline, "echo is not {echoes}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program, and returns its exit code and everything that was shown. The terminal is as it was.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            // A program that waits for its terminal to take what it says never ends.
            match self.pieces.recv_timeout(Duration::from_millis(5)) {
                Ok(piece) => self.shown.extend(piece),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("it does not end: {:?}", plain(&self.shown));
            }
        };
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_millis(100)) {
            self.shown.extend(piece);
        }
        let modes = tcgetattr(&self.tty).expect("a terminal").local_modes;
        let all = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        assert!(modes.contains(all), "the terminal is left as {modes:?}; {:?}", plain(&self.shown));
        (status.code(), plain(&self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they were written.
fn plain(shown: &[u8]) -> String {
    String::from_utf8_lossy(shown).replace("\r\n", "\n")
}

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
