//! What tests need of the machine: noise, other users, small disks.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Runs a command as somebody without rights.
pub(crate) fn as_nobody(mut command: Command) -> Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
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
