//! A thousand machines whose cron fires at the same minute must not arrive together.

use std::io::{self, IsTerminal};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use clap::Args;
use crypto_backends::Key;

use crate::error::CommandError;
use crate::job;
use crate::ui::Ui;
use zvault::Trouble;

/// How long a run may wait before its first request.
#[derive(Args)]
pub(crate) struct JitterArgs {
    /// Wait a random time of up to DURATION before the first request; only where nobody watches and the storage is remote
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = crate::args::up_to_a_day)]
    #[arg(env = "ZVAULT_JITTER", hide_env_values = true)]
    jitter: Duration,

    /// Do not wait before the first request
    #[arg(long)]
    no_jitter: bool,
}

impl JitterArgs {
    /// Waits, if this run is to. `far`: the storage is on another machine. Ctrl-C ends the wait.
    pub(crate) fn wait(&self, far: bool, ui: &Ui) -> Result<(), CommandError> {
        let most = self.most(far, io::stderr().is_terminal());
        if most.is_zero() {
            return Ok(());
        }
        let time = most.mul_f64(share()?);
        let interrupted = job::catch_interrupts()?;
        ui.note(&format!(
            "waiting {:.1} s before the first request, so that devices do not arrive together; --no-jitter turns it off",
            time.as_secs_f64()
        ));
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::sleep(left.min(TICK));
            if interrupted.load(Relaxed) {
                return Err(CommandError::new(Trouble::Interrupted, "stopped before the first request"));
            }
        }
        Ok(())
    }

    fn most(&self, far: bool, watched: bool) -> Duration {
        if self.no_jitter || watched || !far { Duration::ZERO } else { self.jitter }
    }
}

/// From 0 to 1. From the system's randomness: machines that were cloned must not agree.
fn share() -> Result<f64, CommandError> {
    let key = crypto_backends::own()
        .and_then(|own| Key::random(own.random))
        .map_err(|error| CommandError::new(Trouble::Failed, "the system gives no random numbers").cause(&error))?;
    let number = u32::from_le_bytes(*key.expose().first_chunk().expect("a key has 32 bytes"));
    Ok(f64::from(number) / f64::from(u32::MAX))
}

const TICK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unattended_runs_on_remote_storage_wait() {
        let args = |seconds, no_jitter| JitterArgs { jitter: Duration::from_secs(seconds), no_jitter };
        assert_eq!(args(60, false).most(true, false), Duration::from_secs(60));
        for (args, far, watched) in [
            (args(60, false), false, false),
            (args(60, false), true, true),
            (args(60, true), true, false),
            (args(0, false), true, false),
        ] {
            assert_eq!(args.most(far, watched), Duration::ZERO);
        }
    }

    #[test]
    fn shares_differ_and_stay_below_one() {
        let shares: Vec<f64> = (0..100).map(|_| share().expect("random")).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(shares.iter().any(|share| *share < 0.5) && shares.iter().any(|share| *share > 0.5));
    }
}
