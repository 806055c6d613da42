//! How often and how long a request is repeated.

use object_store::{BackoffConfig, RetryConfig};
use std::time::Duration;

/// The library's own few repetitions below ours: they resume reads that were cut. Whatever lasts is for the loop around
/// the whole request, which signs anew and looks for better credentials.
pub(super) fn of_the_crate() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(2), base: 3.0 };
    RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(60) }
}
