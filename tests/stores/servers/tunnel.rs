//! An HTTP proxy that lets nobody through without a user name and a password.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// A running one, until the tests end.
pub(crate) struct Tunnel {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicU32>,
}

impl Tunnel {
    /// Starts one. It connects to wherever it is asked to, and forwards nothing that is not encrypted.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let tunnel = Self { address: listener.local_addr().expect("it has one"), asked: Arc::default() };
        let asked = tunnel.asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let asked = asked.clone();
                // A connection that ends is the client's business.
                thread::spawn(move || drop(serve(client, &asked)));
            }
        });
        tunnel
    }

    /// How often it was asked for anything.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }
}

fn serve(mut client: TcpStream, asked: &AtomicU32) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    asked.fetch_add(1, Relaxed);
    let head = String::from_utf8_lossy(&head).into_owned();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let is_known = |(name, value): (&str, &str)| name.eq_ignore_ascii_case("proxy-authorization") && value == LOGIN;
    if !lines.into_iter().any(is_known) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"tests\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let to = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let server = TcpStream::connect(to)?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut into) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut into).and_then(|_| into.shutdown(Shutdown::Write)));
    let (mut from, mut into) = (server, client);
    io::copy(&mut from, &mut into)?;
    into.shutdown(Shutdown::Both)
}

/// `user:pass` as HTTP has it.
const LOGIN: &str = "Basic dXNlcjpwYXNz";
