//! The terminal: what goes to standard output, what to standard error, and how.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use rustix::termios::{QueueSelector, tcflush};
use serde::Serialize;

use crate::args::Global;
use crate::error::{CommandError, Failed};
use crate::json;
use zvault::Trouble;
use zvault::store::Patience;

/// Where messages go. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct Ui {
    /// Standard output takes JSON.
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: u8,
    pub(crate) progress: Progress,
    colour: bool,
    /// The bar that messages must not tear apart.
    bar: Arc<Mutex<Option<ProgressBar>>>,
    /// With stores that do not answer: they say so here, and Ctrl-C ends it.
    pub(crate) patience: Patience,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not at all.
    Off,
    /// As a bar that is drawn again and again.
    Bar,
    /// As lines on standard error.
    Lines(Duration),
    /// As JSON lines on standard output.
    Json(Duration),
}

/// Data on its way to standard output, buffered.
pub(crate) struct Output(BufWriter<io::Stdout>);

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let progress = match global.progress_interval {
            _ if global.quiet || global.no_progress => Progress::Off,
            interval if global.json => Progress::Json(interval.unwrap_or(JSON_INTERVAL)),
            None if terminal => Progress::Bar,
            None => Progress::Off,
            Some(_) if terminal => Progress::Bar,
            Some(interval) => Progress::Lines(interval),
        };
        // no-color.org: present and not empty.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let ui = Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            progress,
            colour: terminal && !no_color,
            bar: Arc::default(),
            patience: Patience::default(),
        };
        ui.patience.on_retry({
            // Without its patience: the two would keep each other alive.
            let ui = Self { patience: Patience::default(), ..ui.clone() };
            move |text| ui.note(text)
        });
        ui
    }

    /// Standard output, for data.
    pub(crate) fn output(&self) -> Output {
        Output(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Prints text on standard output, unless quiet or JSON is wanted. It tells how a job went: that nobody reads it
    /// does not change how the job ends.
    pub(crate) fn say(&self, text: &str) -> Result<(), CommandError> {
        if self.quiet || self.json {
            return Ok(());
        }
        self.above_bar(|| {
            let mut output = self.output();
            output.text(text).and_then(|()| output.finish()).or_else(CommandError::unless_closed)
        })
    }

    /// The same as a JSON document.
    pub(crate) fn summary(&self, document: &impl Serialize) -> Result<(), CommandError> {
        self.document(document).or_else(CommandError::unless_closed)
    }

    /// Prints one JSON document on a line of standard output.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), CommandError> {
        let mut output = self.output();
        output.document(document)?;
        output.finish()
    }

    /// Tells something that is no problem, on standard error, unless quiet.
    pub(crate) fn note(&self, text: &str) {
        match (self.quiet, self.json) {
            (true, _) => {}
            (false, true) => self.error_line(&json::line(&json::Note { message_type: "note", message: text })),
            (false, false) => self.error_line(&printable(text)),
        }
    }

    /// Tells something that the person should see to, also when quiet, and that is no failure.
    pub(crate) fn warning(&self, text: &str) {
        match self.json {
            true => self.error_line(&json::line(&json::Note { message_type: "warning", message: text })),
            false => self.error_line(&format!("{} {}", self.name(), printable(text))),
        }
    }

    /// Tells a problem that does not end the job.
    pub(crate) fn problem(&self, during: &str, path: &[u8], message: &str) {
        if self.json {
            let item = String::from_utf8_lossy(path);
            self.error_line(&json::line(&json::Problem::new(during, &item, message)));
            return;
        }
        let path = path_text(path);
        let message = printable(message);
        match path.is_empty() || message.contains(&*path) {
            true => self.error_line(&format!("{} {message}", self.name())),
            false => self.error_line(&format!("{} {message}: {path}", self.name())),
        }
    }

    /// Tells why the program ends.
    pub(crate) fn failed(&self, code: u8, failed: &Failed) {
        if self.json {
            let message = failed.causes.iter().fold(failed.message.clone(), |all, cause| format!("{all}: {cause}"));
            exit_error_line(code, &message, &failed.hints);
            return;
        }
        let mut text = format!("{} {}", self.name(), printable(&failed.message));
        for cause in &failed.causes {
            let _ = write!(text, "\n  because: {}", printable(cause));
        }
        for hint in &failed.hints {
            let hint = printable(hint);
            let _ = match self.colour {
                true => write!(text, "\n\x1b[1;36mhint:\x1b[0m {hint}"),
                false => write!(text, "\nhint: {hint}"),
            };
        }
        self.error_line(&text);
    }

    /// A line on standard error as it is. That nobody reads it is no reason to stop.
    pub(crate) fn error_line(&self, line: &str) {
        self.above_bar(|| {
            let mut error = io::stderr().lock();
            let _ = error.write_all(format!("{line}\n").as_bytes());
        });
    }

    /// Asks on the terminal before something that cannot be undone. Without one the answer is an option.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), CommandError> {
        self.ask(question).unwrap_or_else(|| {
            Err(CommandError::usage("this cannot be undone, and there is no terminal to ask on")
                .hint("say --yes if it is to be done"))
        })
    }

    /// Asks on the terminal. None: there is none.
    pub(crate) fn ask(&self, question: &str) -> Option<Result<(), CommandError>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        forget_typed();
        let mut error = io::stderr().lock();
        let _ = write!(error, "{} [y/N] ", printable(question));
        let _ = error.flush();
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        Some(match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(CommandError::new(Trouble::Failed, "nothing was done")),
        })
    }

    /// The bar that is drawn from now on; None: no more.
    pub(crate) fn set_bar(&self, bar: Option<ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    fn above_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn name(&self) -> &'static str {
        if self.colour { "\x1b[1;31mzvault:\x1b[0m" } else { "zvault:" }
    }
}

impl Output {
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CommandError> {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        self.0.write_all(bytes).map_err(|error| CommandError::output(&error))
    }

    pub(crate) fn document(&mut self, document: &impl Serialize) -> Result<(), CommandError> {
        let mut line = json::line(document);
        line.push('\n');
        self.text(&line)
    }

    /// To be called at the end: what is left in the buffer may not find its way either.
    pub(crate) fn finish(mut self) -> Result<(), CommandError> {
        self.0.flush().map_err(|error| CommandError::output(&error))
    }
}

/// What was typed before there was a question is no answer to it.
pub(crate) fn forget_typed() {
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// The last line on standard error of a run with `--json` that failed.
pub(crate) fn exit_error_line(code: u8, message: &str, hints: &[String]) {
    let line = json::line(&json::ExitError { message_type: "exit_error", code, message, hints });
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// A path or name for a terminal: nothing in it can move the cursor, change colours or hide other characters.
pub(crate) fn path_text(path: &[u8]) -> Cow<'_, str> {
    let mut chunks = path.utf8_chunks();
    if let (Some(only), None) = (chunks.next(), chunks.next())
        && only.invalid().is_empty()
    {
        return printable(only.valid());
    }
    let mut text = String::with_capacity(path.len() + 16);
    for chunk in path.utf8_chunks() {
        text.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}

/// Text for a terminal, with the same care.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            c if acts(c) && c.is_ascii() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(c));
            }
            c if acts(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Bytes as restic writes them.
pub(crate) fn bytes_text(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        ..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{:.3} KiB", value / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.3} MiB", value / 1_048_576.0),
        0x4000_0000..0x100_0000_0000 => format!("{:.3} GiB", value / 1_073_741_824.0),
        _ => format!("{:.3} TiB", value / 1_099_511_627_776.0),
    }
}

/// `1:02` or `1:02:03`.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn count_text(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Whether a terminal does something at this character, or shows nothing: control characters, and those that turn the
/// direction of writing or join lines.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

const JSON_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        for (path, shown) in [
            (&b"/home/caf\xc3\xa9"[..], "/home/caf\u{e9}"),
            (b"a\x1b[31mred", "a\\x1b[31mred"),
            (b"two\nlines\t\r", "two\\nlines\\t\\r"),
            (b"\xff\xfe/x", "\\xff\\xfe/x"),
            ("c1 \u{9b}31m".as_bytes(), "c1 \\u{9b}31m"),
            ("gpj.\u{202e}exe".as_bytes(), "gpj.\\u{202e}exe"),
            (b"\x7f\x00", "\\x7f\\x00"),
            (b"", ""),
        ] {
            assert_eq!(path_text(path), shown);
            assert!(!path_text(path).chars().any(acts));
        }
    }

    #[test]
    fn numbers() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.000 KiB"), (1_572_864, "1.500 MiB"), (1 << 40, "1.000 TiB")]
        {
            assert_eq!(bytes_text(bytes), text);
        }
        for (seconds, text) in [(0, "0:00"), (61, "1:01"), (3600, "1:00:00"), (3661, "1:01:01")] {
            assert_eq!(duration_text(Duration::from_secs(seconds)), text);
        }
    }
}
