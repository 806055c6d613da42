//! A long job: its progress is shown, its events are told, and Ctrl-C ends it in order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::CommandError;
use crate::json;
use crate::ui::{Progress, Ui, bytes_text, count_text, duration_text, path_text};
use zvault::Trouble;
use zvault::watch::{Action, Event, Watch};

/// What the job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Push,
    Restore,
    Check,
    Mirror,
    Discover,
}

/// Counts what there is to do, into the totals of the watch, until the flag says that the job has ended.
pub(crate) type Counter<'a> = &'a (dyn Fn(&Watch<'_>, &AtomicBool) + Sync);

/// Runs `work`. The counter runs beside it, but only where somebody looks at the bar.
pub(crate) fn run<T>(
    ui: &Ui,
    job: Job,
    counter: Option<Counter<'_>>,
    work: impl FnOnce(&Watch<'_>) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let interrupted = catch_interrupts()?;
    let told = Told::default();
    let on_event = |event: Event<'_>| told.tell(ui, job, event);
    let mut watch = Watch::with_events(&on_event);
    if job == Job::Push && ui.verbose == 0 {
        watch = watch.without_entries();
    }
    let watch = watch;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Dropped when the work ends, also by a panic: the threads must not outlive it.
        let _running = Running::start(&ended, |stop| {
            scope.spawn(|| Screen::new(ui, job, &watch, &told).run(stop, &interrupted));
        });
        if let Some(counter) = counter.filter(|_| ui.progress == Progress::Bar) {
            scope.spawn(|| counter(&watch, &ended));
        }
        work(&watch)
    })
}

/// The first signal asks the job to end; the second ends the process at once.
pub(crate) fn catch_interrupts() -> Result<Arc<AtomicBool>, CommandError> {
    if let Some(ends) = ENDS.get() {
        ends.store(false, Relaxed);
    }
    let flag = Arc::new(AtomicBool::new(false));
    let code = i32::from(crate::exit::code(Trouble::Interrupted));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the handler that ends the process sees the flag of the signal before.
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| CommandError::new(Trouble::Failed, "cannot catch Ctrl-C").cause(&error))?;
    }
    Ok(flag)
}

/// Reads a secret from the terminal. What reads there gives itself the signal of Ctrl-C before it puts the terminal back:
/// if that ended the process, the person would go on typing without seeing it.
pub(crate) fn at_prompt<T>(read: impl FnOnce() -> T) -> T {
    let ends = ENDS.get_or_init(|| {
        let ends = Arc::new(AtomicBool::new(true));
        // Without it Ctrl-C does what it does to any program.
        let _ = signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&ends));
        ends
    });
    let before = ends.swap(false, Relaxed);
    let read = read();
    ends.store(before, Relaxed);
    read
}

/// Whether Ctrl-C ends the process, once something was read from the terminal.
static ENDS: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Ends the threads beside the job when it is dropped.
struct Running<'a> {
    ended: &'a AtomicBool,
    _stop: Sender<()>,
}

impl<'a> Running<'a> {
    fn start(ended: &'a AtomicBool, spawn: impl FnOnce(Receiver<()>)) -> Self {
        let (sender, receiver) = channel();
        spawn(receiver);
        Self { ended, _stop: sender }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
    }
}

/// What events add up to.
#[derive(Default)]
struct Told {
    problems: AtomicU64,
    restored: AtomicU64,
    skipped: AtomicU64,
    deleted: AtomicU64,
    phase: std::sync::Mutex<&'static str>,
}

impl Told {
    fn tell(&self, ui: &Ui, job: Job, event: Event<'_>) {
        match event {
            Event::Problem { path, message } => {
                self.problems.fetch_add(1, Relaxed);
                // The list at the end of a check or a copy has all of them, with the files that suffer.
                if !matches!(job, Job::Check | Job::Mirror) || ui.json || ui.verbose > 0 {
                    ui.problem(job.during(), path, message);
                }
            }
            Event::Entry { path, action, size } => {
                match action {
                    Action::Restored => self.restored.fetch_add(1, Relaxed),
                    Action::Skipped => self.skipped.fetch_add(1, Relaxed),
                    Action::Deleted => self.deleted.fetch_add(1, Relaxed),
                    Action::New | Action::Changed | Action::Unmodified => 0,
                };
                self.tell_entry(ui, path, action, size);
            }
            Event::Note(text) => ui.note(text),
            Event::Phase(phase) => {
                if let Ok(mut current) = self.phase.lock() {
                    *current = phase;
                }
            }
            _ => {}
        }
    }

    fn tell_entry(&self, ui: &Ui, path: &[u8], action: Action, size: u64) {
        let (wanted, word) = match action {
            Action::New => (1, "new"),
            Action::Changed => (1, "modified"),
            Action::Unmodified => (2, "unchanged"),
            Action::Restored => (1, "restored"),
            Action::Skipped => (2, "skipped"),
            Action::Deleted => (1, "deleted"),
        };
        if ui.verbose < wanted {
            return;
        }
        if ui.json {
            let item = String::from_utf8_lossy(path);
            // That nobody reads the messages is no reason to end the job.
            let _ = ui.document(&json::VerboseStatus {
                message_type: "verbose_status",
                action: word,
                item: &item,
                data_size: size,
            });
        } else {
            ui.error_line(&format!("{word:<9}  {}, {}", path_text(path), bytes_text(size)));
        }
    }
}

/// Looks at the watch again and again, and shows what it sees.
struct Screen<'a> {
    ui: &'a Ui,
    job: Job,
    watch: &'a Watch<'a>,
    told: &'a Told,
    started: Instant,
}

impl<'a> Screen<'a> {
    fn new(ui: &'a Ui, job: Job, watch: &'a Watch<'a>, told: &'a Told) -> Self {
        Self { ui, job, watch, told, started: Instant::now() }
    }

    fn run(&self, stop: Receiver<()>, interrupted: &AtomicBool) {
        let (interval, bar) = match self.ui.progress {
            Progress::Off => (None, None),
            Progress::Bar => (Some(TICK), Some(self.bar())),
            Progress::Lines(interval) | Progress::Json(interval) => (Some(interval), None),
        };
        let mut last = Instant::now();
        while stop.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            if interrupted.load(Relaxed) && !self.watch.stopped() {
                self.watch.stop();
                self.ui.patience.end();
                self.ui.note("stopping in order; press Ctrl-C again to end at once");
            }
            if interval.is_some_and(|interval| last.elapsed() >= interval) {
                last = Instant::now();
                match &bar {
                    Some(bar) => self.draw(bar),
                    None if self.ui.json => self.status(),
                    None => self.ui.error_line(&self.line()),
                }
            }
        }
        self.ui.set_bar(None);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    fn bar(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style(if self.job == Job::Discover { COUNT } else { SPINNER }));
        self.ui.set_bar(Some(bar.clone()));
        bar
    }

    fn draw(&self, bar: &ProgressBar) {
        let now = self.now();
        if now.total_bytes > 0 && bar.length().is_none() {
            bar.set_style(style(if self.ui.colour() { COLOURED_BAR } else { BAR }));
        }
        if now.total_bytes > 0 {
            bar.set_length(now.total_bytes.max(now.bytes));
        }
        bar.set_position(now.bytes);
        bar.set_prefix(self.count(now.files));
        bar.set_message(self.current());
        bar.tick();
    }

    fn line(&self) -> String {
        let now = self.now();
        let time = duration_text(self.started.elapsed());
        let files = self.count(now.files);
        let rate = bytes_text((now.bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64);
        match now.total_bytes {
            // Bytes are no measure of it.
            _ if self.job == Job::Discover => format!("[{time}] {files}  {}", self.current()),
            0 => format!("[{time}] {files}, {}, {rate}/s  {}", bytes_text(now.bytes), self.current()),
            total => {
                let percent = 100.0 * now.done();
                format!(
                    "[{time}] {percent:.1}%  {files}, {} of {}, {rate}/s  {}",
                    bytes_text(now.bytes),
                    bytes_text(total),
                    self.current()
                )
            }
        }
    }

    fn status(&self) {
        let now = self.now();
        let elapsed = self.started.elapsed();
        let current = self.watch.current();
        let done = now.done();
        let push = self.job == Job::Push;
        let restore = self.job == Job::Restore;
        let status = json::Status {
            message_type: "status",
            seconds_elapsed: elapsed.as_secs(),
            seconds_remaining: (done > 0.0).then(|| (elapsed.as_secs_f64() * (1.0 - done) / done) as u64),
            percent_done: done,
            total_files: now.total_files,
            files_done: push.then_some(now.files),
            total_bytes: now.total_bytes,
            bytes_done: (!restore).then_some(now.bytes),
            files_restored: restore.then_some(now.files),
            bytes_restored: restore.then_some(now.bytes),
            error_count: self.told.problems.load(Relaxed),
            current_files: if current.is_empty() { Vec::new() } else { vec![String::from_utf8_lossy(&current)] },
        };
        let _ = self.ui.document(&status);
    }

    fn count(&self, files: u64) -> String {
        match self.job {
            Job::Mirror => count_text(files, "object", "objects"),
            Job::Discover => format!("{files} of {}", self.watch.total_entries.load(Relaxed)),
            _ => count_text(files, "file", "files"),
        }
    }

    fn now(&self) -> Now {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        Now {
            files: load(&self.watch.files),
            bytes: load(&self.watch.bytes),
            total_files: load(&self.watch.total_entries),
            total_bytes: load(&self.watch.total_bytes),
        }
    }

    /// The path that is worked on, else the phase; the end of it, since that is what tells paths apart.
    fn current(&self) -> String {
        let path = self.watch.current();
        if path.is_empty() {
            return self.told.phase.lock().map_or("", |phase| *phase).to_owned();
        }
        let text = path_text(&path);
        match text.char_indices().rev().nth(CURRENT_WIDTH - 1) {
            Some((at, _)) if at > 0 => format!("\u{2026}{}", &text[at..]),
            _ => text.into_owned(),
        }
    }
}

/// The counters at one moment.
struct Now {
    files: u64,
    bytes: u64,
    total_files: u64,
    total_bytes: u64,
}

impl Now {
    /// From 0 to 1. The total may still grow, or be short of what changes meanwhile.
    fn done(&self) -> f64 {
        if self.total_bytes == 0 { 0.0 } else { (self.bytes as f64 / self.total_bytes as f64).min(1.0) }
    }
}

impl Job {
    /// As restic's messages name it.
    fn during(self) -> &'static str {
        match self {
            Self::Push => "archival",
            Self::Restore => "restore",
            Self::Check => "check",
            Self::Mirror => "mirror",
            Self::Discover => "vaults",
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template").progress_chars("=> ")
}

/// How often Ctrl-C is looked at and the bar drawn.
const TICK: Duration = Duration::from_millis(100);
const CURRENT_WIDTH: usize = 72;
const COUNT: &str = "[{elapsed}] {prefix}\n{wide_msg}";
const SPINNER: &str = "[{elapsed}] {prefix}, {binary_bytes}, {binary_bytes_per_sec}\n{wide_msg}";
const BAR: &str = "[{elapsed}] {percent:>3}% [{bar:16}] {prefix}, {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, ETA {eta}\n{wide_msg}";
const COLOURED_BAR: &str = "[{elapsed}] {percent:>3}% [{bar:16.green}] {prefix}, {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, ETA {eta}\n{wide_msg:.dim}";
