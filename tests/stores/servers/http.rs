//! HTTP by hand: what sets servers up and tries them, and knows nothing of the code that is tested.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Fails the test, with what was said, unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "\n{}\n{}", self.head, self.text());
        self
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What is between the first `<name>` and its end.
    #[track_caller]
    pub(crate) fn element(&self, name: &str) -> String {
        let text = self.text();
        let found = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        found.unwrap_or_else(|| panic!("no <{name}> in {text}")).0.to_owned()
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut connection = Connection::new(to)?;
    connection.request(method, target, headers, body)
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    to: SocketAddr,
    ahead: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn new(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { stream, to, ahead: Vec::new() })
    }

    /// A reply that does not wait for this long is an error.
    pub(crate) fn patience(&self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).expect("more than nothing");
    }

    /// Sends a request and reads the reply.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.to);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)?;
        self.reply(method)
    }

    fn reply(&mut self, method: &str) -> io::Result<Reply> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let rest = self.ahead.split_off(end);
        let head = String::from_utf8_lossy(&std::mem::replace(&mut self.ahead, rest)).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let value = |name: &str| {
            let named = |line: &&str| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
            head.lines().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let body = match value("content-length") {
            _ if method == "HEAD" || status == 204 || status == 304 => Vec::new(),
            _ if value("transfer-encoding").is_some() => self.chunks()?,
            Some(length) => self.exactly(length.parse().map_err(|_| io::ErrorKind::InvalidData)?)?,
            None => {
                while self.fill()? {}
                std::mem::take(&mut self.ahead)
            }
        };
        Ok(Reply { status, head, body })
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.exactly(1)?);
            }
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16);
            let size = size.map_err(|_| io::ErrorKind::InvalidData)?;
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < len {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.ahead.split_off(len);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16 << 10];
        let len = self.stream.read(&mut piece)?;
        self.ahead.extend_from_slice(&piece[..len]);
        Ok(len > 0)
    }
}
