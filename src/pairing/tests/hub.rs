//! A network in memory, in which nothing takes time and everything can go wrong.
//!
//! Nobody waits for a clock: when everybody waits and nothing is on its way, time is over for whoever would have given up first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use vault_format::{limits, pairing::Step};

use super::super::{Channel, ChannelError};
use crate::watch::Watch;

/// Who is connected. The sponsor is 0.
pub(crate) type Party = usize;

/// What happens to a flight on its way: what arrives instead of it.
pub(crate) type Fault<'a> = Box<dyn FnMut(Party, Step, &[u8]) -> Vec<Vec<u8>> + Send + 'a>;

pub(crate) struct Hub<'a> {
    state: Mutex<State<'a>>,
    changed: Condvar,
}

struct State<'a> {
    fault: Fault<'a>,
    /// For each party: from whom, and what.
    inbox: Vec<VecDeque<(Party, Vec<u8>)>>,
    waiting: Vec<Option<Instant>>,
    closed: Vec<bool>,
    /// Every flight as it was sent.
    sent: Vec<(Party, Step, Vec<u8>)>,
}

impl<'a> Hub<'a> {
    pub(crate) fn new(parties: usize, fault: Fault<'a>) -> Self {
        let state = State {
            fault,
            inbox: vec![VecDeque::new(); parties],
            waiting: vec![None; parties],
            closed: vec![false; parties],
            sent: Vec::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Everything arrives as it was sent.
    pub(crate) fn honest(parties: usize) -> Self {
        Self::new(parties, Box::new(|_, _, flight| vec![flight.to_vec()]))
    }

    pub(crate) fn end(&self, party: Party) -> End<'_, 'a> {
        End { hub: self, party, answer_to: if party == 0 { 1 } else { 0 }, asked: None, junk: BTreeMap::new() }
    }

    /// Every flight as it was sent.
    pub(crate) fn sent(&self) -> Vec<(Party, Step, Vec<u8>)> {
        self.lock().sent.clone()
    }

    /// Waits until something from `party` is on its way to the sponsor.
    pub(crate) fn await_from(&self, party: Party) {
        let mut state = self.lock();
        while !state.inbox[0].iter().any(|(from, _)| *from == party) {
            state = self.changed.wait(state).expect("no panics");
        }
    }

    /// Puts something into the sponsor's inbox.
    pub(crate) fn inject(&self, from: Party, flight: Vec<u8>) {
        self.lock().inbox[0].push_back((from, flight));
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().expect("no panics")
    }
}

impl State<'_> {
    /// Whether `party` is the one whose time is over.
    fn is_over_for(&self, party: Party) -> bool {
        let open = (0..self.inbox.len()).filter(|p| !self.closed[*p]);
        let stuck = |p: Party| self.inbox[p].is_empty().then_some((self.waiting[p]?, p));
        let all: Option<Vec<_>> = open.map(stuck).collect();
        all.is_some_and(|all| all.iter().min().is_some_and(|(_, first)| *first == party))
    }
}

pub(crate) struct End<'h, 'a> {
    hub: &'h Hub<'a>,
    party: Party,
    answer_to: Party,
    asked: Option<Step>,
    /// In this step, by who sent it.
    junk: BTreeMap<Party, usize>,
}

impl Channel for End<'_, '_> {
    fn send(&mut self, step: Step, flight: &[u8], _: &Watch<'_>) -> Result<(), ChannelError> {
        let mut state = self.hub.lock();
        state.sent.push((self.party, step, flight.to_vec()));
        if state.closed[self.answer_to] {
            return Err(ChannelError::Closed);
        }
        for arrives in (state.fault)(self.party, step, flight) {
            let to = self.answer_to;
            state.inbox[to].push_back((self.party, arrives));
        }
        self.hub.changed.notify_all();
        Ok(())
    }

    fn receive(&mut self, step: Step, until: Instant, watch: &Watch<'_>) -> Result<Vec<u8>, ChannelError> {
        if self.asked.replace(step) != Some(step) {
            self.junk.clear();
        }
        let mut state = self.hub.lock();
        loop {
            let result = if watch.stopped() {
                Err(ChannelError::Stopped)
            } else if let Some((from, flight)) = state.inbox[self.party].pop_front() {
                self.answer_to = from;
                Ok(flight)
            } else if (0..state.closed.len()).all(|party| state.closed[party] || party == self.party) {
                Err(ChannelError::Closed)
            } else {
                // Others may be the ones whose time is over now.
                if state.waiting[self.party].replace(until).is_none() {
                    self.hub.changed.notify_all();
                }
                if !state.is_over_for(self.party) {
                    state = self.hub.changed.wait(state).expect("no panics");
                    continue;
                }
                Err(ChannelError::TimedOut)
            };
            state.waiting[self.party] = None;
            return result;
        }
    }

    fn reject(&mut self) -> bool {
        let junk = self.junk.entry(self.answer_to).or_default();
        *junk += 1;
        *junk < limits::PAIR_CANDIDATES
    }

    fn close(&mut self) {
        self.hub.lock().closed[self.party] = true;
        self.hub.changed.notify_all();
    }
}
