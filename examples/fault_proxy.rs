//! The fault proxy of the tests, by hand: adds latency, faults and limits of bandwidth between a program and a server.
//!
//! ```text
//! cargo run --release --example fault_proxy -- --listen 127.0.0.1:0 --to 127.0.0.1:4566 --latency 50ms
//! ```
//!
//! It says where it listens, and runs until it is ended. `--fault KIND@WHEN` may be given more than once; WHEN is `all`,
//! `3` (the third request), `3..` (from it on) or `every:10`.

use std::error::Error;
use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::time::Duration;

#[allow(dead_code)]
#[path = "../tests/stores/servers/proxy.rs"]
mod proxy;

use clap::Parser;
use proxy::{Fault, Proxy, Reply, Rule, When};

#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server
    #[arg(long)]
    to: SocketAddr,
    /// How much later each request arrives: 50ms, 1s
    #[arg(long, value_parser = duration, default_value = "0ms")]
    latency: Duration,
    /// Bytes a second from the client
    #[arg(long)]
    limit_up: Option<u64>,
    /// Bytes a second to the client
    #[arg(long)]
    limit_down: Option<u64>,
    /// KIND@WHEN, KIND one of reset-before, reset-within, reset-after, lose-reply, truncate-reply, flip-reply,
    /// flip-request, stall-before, stall-within, or a status such as 503 (the server never sees the request)
    #[arg(long, value_parser = rule)]
    fault: Vec<Rule>,
    /// Print every request
    #[arg(long)]
    verbose: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let proxy = Proxy::listen(args.listen, args.to)?;
    proxy.latency(args.latency);
    proxy.throttle(args.limit_up, args.limit_down);
    proxy.set(args.fault);
    let mut out = stdout();
    writeln!(out, "{}", proxy.address())?;
    out.flush()?;
    let mut told = 0;
    loop {
        std::thread::sleep(Duration::from_millis(200));
        if args.verbose {
            let seen = proxy.seen();
            for request in &seen[told..] {
                writeln!(out, "{} {} {:?}", request.method, request.target, request.fault)?;
            }
            told = seen.len();
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(text), _) => Ok(Duration::from_millis(number(text)?)),
        (None, Some(text)) => Ok(Duration::from_secs(number(text)?)),
        (None, None) => Err("write 50ms or 1s".into()),
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    let (kind, when) = text.split_once('@').ok_or("write KIND@WHEN")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    let fault = match kind {
        "reset-before" => Fault::ResetBefore,
        "reset-within" => Fault::ResetWithin,
        "reset-after" => Fault::ResetAfter,
        "lose-reply" => Fault::LoseReply,
        "truncate-reply" => Fault::TruncateReply,
        "flip-reply" => Fault::FlipReply,
        "flip-request" => Fault::FlipRequest,
        "stall-before" => Fault::StallBefore,
        "stall-within" => Fault::StallWithin,
        status => Fault::Reply(Reply::status(status.parse().map_err(|_| format!("{kind:?} is no fault"))?)),
    };
    let when = match (when, when.strip_suffix(".."), when.strip_prefix("every:")) {
        ("all", _, _) => When::From(1),
        (_, Some(from), _) => When::From(number(from)?),
        (_, _, Some(step)) => When::Every(number(step)?),
        _ => When::Nth(number(when)?),
    };
    Ok(Rule::when(when, fault))
}
