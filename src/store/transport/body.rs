//! Bodies that are paced, counted and watched: bytes that stop moving are an error, bytes that are held back by a limit
//! are not.

use super::limit::Limit;
use super::reply::Failure;
use super::traffic::{Counters, Kind};
use super::{Times, failed};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{HttpError, HttpRequestBody};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// When an attempt has lasted too long.
#[derive(Debug)]
pub(super) struct Watch {
    stall: Duration,
    clock: Mutex<Clock>,
}

#[derive(Debug)]
struct Clock {
    /// When bytes moved last; in the future while they are held back.
    moved: Instant,
    deadline: Instant,
}

impl Watch {
    /// For `size` bytes of body.
    pub(super) fn new(times: &Times, size: u64) -> Arc<Self> {
        let now = Instant::now();
        let deadline = now + times.for_size(size);
        Arc::new(Self { stall: times.stall, clock: Mutex::new(Clock { moved: now, deadline }) })
    }

    /// Ends when nothing moved for too long, or all of it takes too long.
    pub(super) async fn expired(self: Arc<Self>) -> Failure {
        loop {
            let (stalled, deadline) = {
                let clock = self.clock();
                (clock.moved + self.stall, clock.deadline)
            };
            let now = Instant::now();
            if now >= stalled {
                return Failure::Stalled;
            }
            if now >= deadline {
                return Failure::TooSlow;
            }
            sleep_until(stalled.min(deadline)).await;
        }
    }

    fn moved(&self) {
        self.clock().moved = Instant::now();
    }

    /// `wait` is our doing, and counts for nothing.
    fn paused(&self, wait: Duration) {
        let mut clock = self.clock();
        clock.moved = Instant::now() + wait;
        clock.deadline += wait;
    }

    fn clock(&self) -> std::sync::MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a body is counted, limited and watched by.
pub(super) struct Meter {
    pub(super) kind: Kind,
    pub(super) counters: Arc<Counters>,
    pub(super) limit: Option<Arc<Limit>>,
    pub(super) watch: Arc<Watch>,
}

impl Meter {
    /// `None`: now.
    fn take(&self, bytes: usize) -> Option<Pin<Box<Sleep>>> {
        let wait = self.limit.as_ref()?.take(bytes);
        if wait.is_zero() {
            return None;
        }
        self.watch.paused(wait);
        Some(Box::pin(sleep(wait)))
    }
}

/// A body on its way to the store. Its length is known, since signatures need a Content-Length.
pub(super) struct Upload {
    pieces: VecDeque<Bytes>,
    left: u64,
    meter: Meter,
    /// How long what is in the buffers of the system may take to arrive after the last piece left here.
    drain: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    paid: bool,
}

impl Upload {
    pub(super) fn new(pieces: VecDeque<Bytes>, meter: Meter, drain: Duration) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, left, meter, drain, pause: None, paid: false }
    }

    /// The parts of a body, without copying them. Bodies of the library never wait.
    pub(super) fn pieces(mut body: HttpRequestBody) -> Result<VecDeque<Bytes>, HttpError> {
        let mut pieces = VecDeque::new();
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            pieces.extend(frame?.into_data().ok().filter(|piece| !piece.is_empty()));
        }
        Ok(pieces)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        let Some(front) = this.pieces.front_mut() else { return Poll::Ready(None) };
        let len = front.len().min(this.meter.limit.as_ref().map_or(PIECE, |limit| limit.piece()));
        if !this.paid {
            this.paid = true;
            if let Some(mut pause) = this.meter.take(len)
                && pause.as_mut().poll(cx).is_pending()
            {
                this.pause = Some(pause);
                return Poll::Pending;
            }
        }
        this.paid = false;
        let piece = front.split_to(len);
        if front.is_empty() {
            this.pieces.pop_front();
        }
        this.left -= len as u64;
        this.meter.counters.sent(this.meter.kind, len as u64);
        this.meter.watch.moved();
        if this.left == 0 {
            this.meter.watch.paused(this.drain);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body on its way from the store.
pub(super) struct Download {
    body: reqwest::Body,
    meter: Meter,
    expired: Pin<Box<dyn Future<Output = Failure> + Send + Sync>>,
    held: Option<(Frame<Bytes>, Pin<Box<Sleep>>)>,
}

impl Download {
    pub(super) fn new(body: reqwest::Body, meter: Meter) -> Self {
        let expired = Box::pin(meter.watch.clone().expired());
        Self { body, meter, expired, held: None }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if let Some((_, pause)) = &mut this.held {
            ready!(pause.as_mut().poll(cx));
            return Poll::Ready(this.held.take().map(|(frame, _)| Ok(frame)));
        }
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(super::sort(error)))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                let failure = ready!(this.expired.as_mut().poll(cx));
                return Poll::Ready(Some(Err(failed(failure, None))));
            }
        };
        let len = frame.data_ref().map_or(0, Bytes::len);
        this.meter.counters.received(this.meter.kind, len as u64);
        this.meter.watch.moved();
        if let Some(mut pause) = this.meter.take(len)
            && pause.as_mut().poll(cx).is_pending()
        {
            this.held = Some((frame, pause));
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.held {
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}

/// Bytes that are handed to the connection at a time.
pub(super) const PIECE: usize = 128 << 10;
