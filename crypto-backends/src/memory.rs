//! How much memory this machine has, for the passphrase function.

/// All memory of the machine in bytes; `None` where this system does not say.
pub fn total() -> Option<u64> {
    meminfo("MemTotal:")
}

/// Memory that a program could take now without swapping, in bytes; `None` where this system does not say.
pub fn available() -> Option<u64> {
    meminfo("MemAvailable:")
}

/// One line of `/proc/meminfo` (proc_meminfo(5)); the file exists on Linux only.
fn meminfo(name: &str) -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?, name)
}

fn parse(meminfo: &str, name: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_meminfo() {
        let text = "MemTotal:       24684092 kB\nMemFree:        1 kB\nMemAvailable:   24324680 kB\n";
        assert_eq!(parse(text, "MemTotal:"), Some(24684092 * 1024));
        assert_eq!(parse(text, "MemAvailable:"), Some(24324680 * 1024));
        assert_eq!(parse(text, "Swap:"), None);
        assert_eq!(parse("MemTotal: many kB", "MemTotal:"), None);
        assert_eq!(parse("MemTotal: 18446744073709551615 kB", "MemTotal:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_memory() {
        assert!(available().unwrap() <= total().unwrap());
    }
}
