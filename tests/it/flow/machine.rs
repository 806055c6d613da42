//! What tests need of the machine: noise, other users, small disks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::runner::World;

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Whether this is root: some things only root can do, some root cannot be kept from.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says loudly that a test did not test.
#[allow(clippy::print_stderr)] // For whoever runs the tests.
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Makes a world that root made one of somebody without rights. Nothing to do for who has none anyway.
pub(crate) fn give_away(world: &World) {
    if is_root() {
        let given = Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(world.path(".")).status();
        assert!(given.expect("it starts").success(), "cannot give the folder away");
    }
}

/// The same run of the program as somebody without rights, who may not be allowed where it was built: runs a copy.
pub(crate) fn as_nobody(command: Command) -> Command {
    if !is_root() {
        return command;
    }
    static COPY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = COPY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("zvault");
        fs::copy(crate::runner::program(), &program).expect("a copy of the program");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        (folder, program)
    });
    let mut same = Command::new(program);
    same.args(command.get_args()).env_clear().uid(NOBODY).gid(NOBODY);
    same.envs(command.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    if let Some(folder) = command.get_current_dir() {
        same.current_dir(folder);
    }
    same.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    same
}

/// A small disk of its own, until it is dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// None, and a loud word, where this is not allowed.
    pub(crate) fn new(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        let options = format!("size={size},mode=700");
        let mounted = mount(&["-t", "tmpfs", "-o", &options, "zvault-test"], path);
        if !mounted {
            skip("no disk can be mounted here: a full or read-only disk is not tested");
        }
        mounted.then(|| Self(path.to_owned()))
    }

    /// Mounts it anew with other options.
    pub(crate) fn change(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0), "cannot remount with {options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    let ended = Command::new("mount").args(args).arg(path).output();
    is_root() && ended.is_ok_and(|output| output.status.success())
}

const NOBODY: u32 = 65_534;
