//! A server in a process of its own that never outlives the tests.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    guard: Child,
    /// As long as this is open, the server runs: it closes in whatever way this process ends.
    _leash: ChildStdin,
    /// Where it works and logs.
    folder: TempDir,
}

impl Server {
    /// Starts `command`, which is to listen on the address, and waits until it does.
    pub(crate) fn start(name: &str, command: impl Fn(SocketAddr, &Path) -> Command) -> Self {
        for _ in 0..3 {
            let server = Self::spawn(name, &command);
            match server {
                Ok(server) => return server,
                // Another process may have taken the port in between.
                Err(log) if log.contains("in use") => {}
                Err(log) => panic!("{name} does not start:\n{log}"),
            }
        }
        panic!("no free port for {name}");
    }

    fn spawn(name: &str, command: impl Fn(SocketAddr, &Path) -> Command) -> Result<Self, String> {
        let folder = TempDir::with_prefix(format!("zvault-{name}-")).expect("a folder");
        let address = free();
        let inner = command(address, folder.path());
        let log = folder.path().join("log");
        let output = File::create(&log).expect("a log");
        let mut guard = Command::new("sh");
        guard.args(["-c", LEASH, "sh"]).arg(inner.get_program()).args(inner.get_args());
        for (key, value) in inner.get_envs() {
            value.map(|value| guard.env(key, value));
        }
        guard.env("folder", folder.path());
        let mut guard = guard
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("a shell");
        let leash = guard.stdin.take().expect("it is piped");
        let mut server = Self { address, guard, _leash: leash, folder };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = server.guard.try_wait().expect("a child").is_some();
            if ended || Instant::now() > end {
                return Err(server.log());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        fs::read(self.folder.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    #[cfg(test)]
    fn process(&self) -> u32 {
        self.guard.id()
    }
}

/// A program that `scripts/servers` has installed.
pub(crate) fn installed(path: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target");
    let path = target.join("servers").join(path);
    assert!(path.exists(), "{} is missing: run scripts/servers, or scripts/test, which does", path.display());
    path
}

/// An environment with nothing of the caller's but where programs are.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for foreign in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DOCKER_HOST"] {
        command.env(foreign, "");
    }
    command
}

/// An address on loopback where nobody listens.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.local_addr().expect("it has one")
}

/// Runs the server beside a reader of standard input. When that ends, by the exit, the panic or the death of the tests,
/// the server is killed, by its own process id; when the server ends first, nobody is.
const LEASH: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -9 "$server"; } >/dev/null 2>&1 & watch=$!
exec 3<&-
wait "$server"
code=$?
kill -9 "$watch" 2>/dev/null
cd /
# Whoever started this may be gone, and with it all who would clean up.
case $folder in */zvault-*) rm -rf -- "$folder" ;; esac
exit "$code"
"#;

/// A machine with two cores and much to do takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_server_ends_with_its_leash() {
    let python = "import http.server,sys; print('here', flush=True); \
                  http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.BaseHTTPRequestHandler).serve_forever()";
    let server = Server::start("test", |at, _| {
        let mut command = Command::new("python3");
        command.args(["-c", python, &at.port().to_string()]);
        command
    });
    assert!(server.log().contains("here") && server.process() > 0);
    let Server { address, mut guard, _leash, folder: _folder } = server;
    drop(_leash);
    guard.wait().expect("it ends");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
}
