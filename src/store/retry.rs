//! How often and how long a request is repeated, and who is told.

use super::StoreError;
use super::error::Said;
use super::transport::reply::{Failure, MAX_RETRY_AFTER, Reply};
use object_store::{BackoffConfig, RetryConfig};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The library's own few repetitions below ours: they resume reads that were cut. Whatever lasts is for the loop around
/// the whole request, which signs anew and looks for better credentials.
pub(super) fn of_the_crate() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(2), base: 3.0 };
    RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(60) }
}

/// Whoever waits while a store does not answer: is told so, and can end it. Clones are the same.
#[derive(Clone, Default)]
pub struct Patience(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    tell: OnceLock<Tell>,
    over: AtomicBool,
}

type Tell = Box<dyn Fn(&str) + Send + Sync>;

impl Patience {
    /// Calls `tell` with a line for people when a store fails for longer than a moment. The first one who asks is told.
    pub fn on_retry(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.0.tell.set(Box::new(tell));
    }

    /// From here on nothing is tried again: what fails, fails. Whoever waits for another try is released.
    pub fn end(&self) {
        self.0.over.store(true, Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.over.load(Relaxed)
    }
}

/// Any two are equal: who waits says nothing of the store.
impl PartialEq for Patience {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Patience {}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("over", &self.is_over()).finish_non_exhaustive()
    }
}

/// How long is waited between attempts, and in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Before the second attempt, about.
    pub(super) first: Duration,
    /// Between any two.
    pub(super) most: Duration,
    /// From the first failure to the last attempt. Zero: one attempt.
    pub(super) in_all: Duration,
    /// The same for a host of unknown name that has never answered: a typing error, most likely.
    pub(super) unknown_host: Duration,
    /// Failures that pass sooner are not told.
    pub(super) silence: Duration,
}

impl Pace {
    pub(super) fn for_time(in_all: Duration) -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(30),
            in_all,
            unknown_host: Duration::from_secs(20),
            silence: Duration::from_secs(3),
        }
    }
}

/// What is known of the health of a store, over all its requests.
pub(super) struct Health {
    label: String,
    pace: Pace,
    patience: Patience,
    answered: AtomicBool,
    streak: Mutex<Option<Streak>>,
}

/// Failures with no success between them.
struct Streak {
    since: Instant,
    told: Option<Instant>,
}

impl Health {
    pub(super) fn new(label: String, pace: Pace, patience: Patience) -> Self {
        Self { label, pace, patience, answered: AtomicBool::new(false), streak: Mutex::new(None) }
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// A request begins that may have to be repeated.
    pub(super) fn retry(&self) -> Retry<'_> {
        Retry { health: self, first: None, pause: self.pace.first, garbled: 0 }
    }

    /// A request succeeded.
    pub(super) fn is_well(&self) {
        self.answered.store(true, Relaxed);
        *self.streak.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Tells once a minute what has been going on for a while.
    fn tell(&self, wait: Duration, until: Instant, reply: &Reply) {
        let now = Instant::now();
        {
            let mut streak = self.streak.lock().unwrap_or_else(PoisonError::into_inner);
            let streak = streak.get_or_insert(Streak { since: now, told: None });
            let is_news = streak.told.is_none_or(|told| now - told > REMINDER);
            if !is_news || now + wait - streak.since < self.pace.silence {
                return;
            }
            streak.told = Some(now);
        }
        if let Some(tell) = self.patience.0.tell.get() {
            let left = until.saturating_duration_since(now).as_secs();
            let left = if left < 120 { format!("{left} s") } else { format!("{} minutes", left.div_ceil(60)) };
            tell(&format!("{}: {}; trying again for {left}", self.label, Said(reply)));
        }
    }
}

/// The repetitions of one request.
pub(super) struct Retry<'a> {
    health: &'a Health,
    first: Option<Instant>,
    pause: Duration,
    garbled: u8,
}

impl Retry<'_> {
    /// Something came through: what fails from here on is another failure.
    pub(super) fn progressed(&mut self) {
        self.first = None;
        self.pause = self.health.pace.first;
    }

    /// Waits until it is time for another attempt; gives the error back if there is none.
    pub(super) async fn after(&mut self, error: StoreError, reply: &Reply) -> Result<(), StoreError> {
        if reply.status.is_some() {
            self.health.answered.store(true, Relaxed);
        }
        if !self.is_worth_it(&error, reply) {
            return Err(error);
        }
        let now = Instant::now();
        let until = *self.first.get_or_insert(now) + self.patience_for(reply);
        let wait = self.next_pause(reply.retry_after);
        if now + wait >= until {
            return Err(error);
        }
        self.health.tell(wait, until, reply);
        let end = now + wait;
        while Instant::now() < end {
            if self.health.patience.is_over() {
                return Err(error);
            }
            sleep((end - Instant::now()).min(LOOK_UP)).await;
        }
        Ok(())
    }

    /// Whether there would be another attempt after `error`.
    fn is_worth_it(&mut self, error: &StoreError, reply: &Reply) -> bool {
        if self.health.pace.in_all.is_zero() || self.health.patience.is_over() {
            return false;
        }
        // A success that makes no sense: spoilt on the way, perhaps.
        if matches!(error, StoreError::Other { .. }) && reply.status.is_some_and(|status| (200..300).contains(&status))
        {
            self.garbled += 1;
            return self.garbled <= GARBLED;
        }
        error.is_transient()
    }

    fn patience_for(&self, reply: &Reply) -> Duration {
        let Pace { in_all, unknown_host, .. } = self.health.pace;
        match reply.failure {
            Some(Failure::Dns) if !self.health.answered.load(Relaxed) => in_all.min(unknown_host),
            _ => in_all,
        }
    }

    /// Decorrelated jitter: a thousand devices that failed together do not come back together.
    fn next_pause(&mut self, wanted: Option<Duration>) -> Duration {
        let Pace { first, most, .. } = self.health.pace;
        let chance = first.div_f64(2.0).as_secs_f64()..=(self.pause.as_secs_f64() * 3.0);
        let pause = Duration::from_secs_f64(chance.start() + fastrand::f64() * (chance.end() - chance.start()));
        self.pause = pause.min(most);
        match wanted {
            Some(wanted) => wanted.min(MAX_RETRY_AFTER) + self.pause.min(first),
            None => self.pause,
        }
    }
}

/// How often a reply that makes no sense is asked for again.
const GARBLED: u8 = 3;

/// Between two lines about the same trouble.
const REMINDER: Duration = Duration::from_secs(60);

/// How often a wait looks whether it is over.
const LOOK_UP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn health(pace: Pace) -> Health {
        Health::new("s3://b".into(), pace, Patience::default())
    }

    fn unreachable() -> StoreError {
        StoreError::Unreachable { at: "s3://b".into(), source: "x".into() }
    }

    /// A thousandth of the real one.
    fn quick() -> Pace {
        let ms = Duration::from_millis;
        Pace { first: ms(1), most: ms(30), in_all: ms(300), unknown_host: ms(20), silence: ms(3) }
    }

    #[tokio::test]
    async fn waits_grow_with_chance_and_end() {
        let health = health(quick());
        let mut retry = health.retry();
        let (start, reply) = (Instant::now(), Reply { status: Some(503), ..Reply::default() });
        let mut attempts = 0;
        while retry.after(unreachable(), &reply).await.is_ok() {
            attempts += 1;
        }
        let lasted = start.elapsed().as_millis();
        assert!((200..=400).contains(&lasted), "{lasted}");
        assert!((8..200).contains(&attempts), "{attempts}");
        retry.progressed();
        retry.after(unreachable(), &reply).await.expect("a new failure has all the time again");
    }

    #[test]
    fn what_the_server_wants_is_heeded_within_bounds() {
        let health = health(Pace::for_time(Duration::from_secs(300)));
        for (wanted, least, most) in [(None, 0.25, 1.5), (Some(7), 7.0, 7.5), (Some(100_000), 60.0, 60.5)] {
            let pause = health.retry().next_pause(wanted.map(Duration::from_secs)).as_secs_f64();
            assert!((least..=most).contains(&pause), "{pause}");
        }
        let mut retry = health.retry();
        let pauses: Vec<_> = (0..100).map(|_| retry.next_pause(None)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(30)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_secs(20)), "they grow");
    }

    #[tokio::test]
    async fn what_cannot_heal_is_not_repeated() {
        let reply = Reply::default();
        let refused = StoreError::PermissionDenied { at: String::new(), source: "x".into() };
        health(quick()).retry().after(refused, &reply).await.expect_err("never");
        health(Pace::for_time(Duration::ZERO)).retry().after(unreachable(), &reply).await.expect_err("one attempt");

        let start = Instant::now();
        let long = Pace { in_all: Duration::from_secs(20), ..quick() };
        let (typo, unknown) = (health(long), Reply { failure: Some(Failure::Dns), ..Reply::default() });
        let mut retry = typo.retry();
        while retry.after(unreachable(), &unknown).await.is_ok() {}
        assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());

        let garbled = || StoreError::Other { at: String::new(), source: "x".into() };
        let (ok, bad) = (Reply { status: Some(200), ..Reply::default() }, Reply { status: Some(400), ..reply });
        let health = health(quick());
        let mut retry = health.retry();
        for _ in 0..3 {
            retry.after(garbled(), &ok).await.expect("spoilt on the way, perhaps");
        }
        retry.after(garbled(), &ok).await.expect_err("it makes no sense");
        health.retry().after(garbled(), &bad).await.expect_err("refused");
    }

    #[tokio::test]
    async fn people_are_told_once_and_can_end_it() {
        let health = Arc::new(health(Pace { in_all: Duration::from_secs(300), ..quick() }));
        let told = Arc::new(Mutex::new(Vec::new()));
        health.patience().on_retry({
            let told = told.clone();
            move |text| told.lock().expect("lock").push(text.to_owned())
        });
        let reply = Reply { status: Some(503), code: Some("SlowDown".into()), ..Reply::default() };
        let lasting = Reply { retry_after: Some(Duration::from_secs(60)), ..reply.clone() };
        health.retry().after(unreachable(), &Reply { retry_after: None, ..reply.clone() }).await.expect("again");
        health.is_well();
        let before = told.lock().expect("lock").len();
        let waiting = [(); 3].map(|()| {
            let (health, lasting) = (health.clone(), lasting.clone());
            tokio::spawn(async move { health.retry().after(unreachable(), &lasting).await })
        });
        sleep(Duration::from_millis(20)).await;
        health.patience().end();
        let start = Instant::now();
        for waiting in waiting {
            waiting.await.expect("joined").expect_err("released");
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        let lines = told.lock().expect("lock").split_off(before);
        assert_eq!(lines, ["s3://b: it answered 503 (SlowDown); trying again for 5 minutes"]);
    }
}
