//! Two machines on a network of their own.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Two network namespaces that are joined by a cable, taken away at the end.
struct Network([String; 2]);

impl Network {
    /// `None` where this user may not make one.
    fn new() -> Option<Self> {
        let network = Self(["a", "b"].map(|side| format!("zv{}{side}", std::process::id())));
        let [a, b] = &network.0;
        for name in [a, b] {
            if !ip(&["netns", "add", name]) {
                return None;
            }
        }
        assert!(ip(&["-n", a, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", b]));
        for (name, address) in [(a, "10.77.0.1/24"), (b, "10.77.0.2/24")] {
            assert!(ip(&["-n", name, "address", "add", address, "dev", "cable"]));
            assert!(ip(&["-n", name, "link", "set", "cable", "up"]));
        }
        Some(network)
    }

    /// The same program, on one of the two machines.
    fn inside(&self, side: usize, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.0[side]]).arg(command.get_program()).args(command.get_args());
        inside.env_clear();
        for (name, value) in command.get_envs() {
            inside.envs(value.map(|value| (name, value)));
        }
        inside.current_dir(command.get_current_dir().expect("a folder"));
        inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        inside
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.0 {
            ip(&["netns", "del", name]);
        }
    }
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
}

#[test]
fn words_alone_find_the_other_machine_by_mdns() {
    let Some(network) = Network::new() else {
        // Past what the harness hides of a test that passes.
        let skipped = b"SKIPPED: this user may not make network namespaces, so nothing is known of mDNS\n";
        std::io::stderr().write_all(skipped).expect("told");
        return;
    };
    let (first, second) = (sponsor(), World::new());
    let invites = network.inside(0, &first.command(["pair", "--json", "--yes", "--via", "tcp"]));
    let mut inviting = Inviting::spawned(&mut { invites });
    assert!(inviting.address.as_deref().is_some_and(|address| address.starts_with("10.77.0.1:")));
    let mut args = vec!["pair", "--json", "--via", "tcp"];
    args.extend(inviting.words.iter().map(String::as_str));
    let joins = run(&mut network.inside(1, &second.bare(args))).expect_code(0);
    assert_eq!(joins.last_json()["message_type"], "paired");
    assert_eq!(inviting.next().expect("a joiner")["by_words"], true);
    inviting.end().expect_code(0);
    assert_member(&second);
}

/// Says how long a pairing takes from the ticket to the first listing: for docs/benchmarks.md.
#[test]
#[ignore = "measures"]
fn time_over_loopback() {
    let first = sponsor();
    for _ in 0..5 {
        let second = World::new();
        let inviting = Inviting::start(&first, &["--via", "tcp"]);
        let started = std::time::Instant::now();
        join(&second, &[&inviting.ticket]).expect_code(0);
        let paired = started.elapsed();
        run(&mut second.bare(["ls", "latest"])).expect_code(0);
        writeln!(std::io::stdout(), "paired after {paired:?}, listed after {:?}", started.elapsed()).expect("told");
        inviting.end().expect_code(0);
    }
}
