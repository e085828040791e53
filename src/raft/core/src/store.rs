//! What raft-rs may ask about the log that is on our disk.
//!
//! The log itself lies with the caller. Kept here: the entries not yet dropped (a window at the end of the log), the
//! terms of everything behind the truncation point as runs, and the reads that raft-rs waits for. All of it is used by
//! one thread; the cell is there because raft-rs asks through a shared reference.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Reads asked for at a time: two for each of a handful of followers far behind. Above it the follower is asked again
/// at its next heartbeat.
const FETCHES_MAX: usize = 16;

/// Entries that raft-rs wants to send and that are no longer in memory.
pub struct Fetch {
    pub number: u64,
    pub low: u64,
    pub high: u64,
    pub max_bytes: u64,
    context: GetEntriesContext,
    name: String,
    is_told: bool,
}

#[derive(Default)]
struct Asked {
    fetches: Vec<Fetch>,
    last_number: u64,
    fetched: Vec<Entry>,
    is_snapshot_wanted: bool,
}

#[derive(Default)]
pub struct Store {
    hard_state: HardState,
    conf_state: ConfState,
    truncated_index: u64,
    truncated_term: u64,
    /// (first index, term) of each run of one term, behind the truncation point.
    runs: Vec<(u64, u64)>,
    last_index: u64,
    /// The last entries of the log, up to last_index.
    window: VecDeque<Entry>,
    snapshot: Option<Snapshot>,
    asked: RefCell<Asked>,
}

impl Store {
    pub fn new(truncated_index: u64, truncated_term: u64) -> Self {
        Store {
            truncated_index,
            truncated_term,
            last_index: truncated_index,
            ..Default::default()
        }
    }

    pub fn set_hard_state(&mut self, state: HardState) {
        self.hard_state = state;
    }

    pub fn set_conf_state(&mut self, state: ConfState) {
        self.conf_state = state;
    }

    fn window_first(&self) -> u64 {
        self.last_index + 1 - self.window.len() as u64
    }

    /// Appends, in place of whatever stood at these indexes and behind them.
    pub fn append(&mut self, entries: &[Entry]) {
        let first = match entries.first() {
            Some(first) => first,
            None => return,
        };
        assert!(
            first.index > self.truncated_index && first.index <= self.last_index + 1,
            "entry {} does not follow {} (truncated at {})",
            first.index,
            self.last_index,
            self.truncated_index
        );
        self.cut_from(first.index);
        for entry in entries {
            assert_eq!(entry.index, self.last_index + 1);
            if self.runs.last().map_or(true, |run| run.1 != entry.term) {
                self.runs.push((entry.index, entry.term));
            }
            self.window.push_back(entry.clone());
            self.last_index = entry.index;
        }
    }

    fn cut_from(&mut self, index: u64) {
        while self.last_index >= index {
            self.window.pop_back();
            self.last_index -= 1;
        }
        while self.runs.last().map_or(false, |run| run.0 >= index) {
            self.runs.pop();
        }
    }

    /// Forgets the bytes of entries up to `index`; they can be read from the disk.
    pub fn drop_until(&mut self, index: u64) {
        while !self.window.is_empty() && self.window_first() <= index {
            self.window.pop_front();
        }
    }

    /// The log begins behind `index` from now on.
    pub fn truncate(&mut self, index: u64) {
        if index <= self.truncated_index {
            return;
        }
        self.truncated_term = self.term(index).expect("truncation behind the end of the log");
        self.truncated_index = index;
        self.drop_until(index);
        let kept = self.runs.partition_point(|run| run.0 <= index);
        if kept > 0 {
            let term = self.runs[kept - 1].1;
            self.runs.drain(..kept);
            let next = self.runs.first().map_or(self.last_index + 1, |run| run.0);
            if index + 1 < next {
                self.runs.insert(0, (index + 1, term));
            }
        }
    }

    /// A checkpoint from a leader takes the place of everything.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let meta = snapshot.get_metadata();
        self.truncated_index = meta.index;
        self.truncated_term = meta.term;
        self.last_index = meta.index;
        self.runs.clear();
        self.window.clear();
        self.conf_state = meta.get_conf_state().clone();
        let asked = self.asked.get_mut();
        asked.fetches.clear();
        asked.fetched.clear();
        self.snapshot = None;
    }

    pub fn set_snapshot(&mut self, snapshot: Snapshot) {
        self.asked.get_mut().is_snapshot_wanted = false;
        self.snapshot = Some(snapshot);
    }

    pub fn take_snapshot_wanted(&mut self) -> bool {
        std::mem::take(&mut self.asked.get_mut().is_snapshot_wanted)
    }

    /// The next read that nobody was told of.
    pub fn next_fetch(&mut self) -> Option<&Fetch> {
        let fetch = self.asked.get_mut().fetches.iter_mut().find(|fetch| !fetch.is_told)?;
        fetch.is_told = true;
        Some(fetch)
    }

    /// Puts what was read where entries() finds it. None if nobody waits for it any more.
    pub fn fetched(&mut self, number: u64, entries: Vec<Entry>) -> Option<GetEntriesContext> {
        let asked = self.asked.get_mut();
        let at = asked.fetches.iter().position(|fetch| fetch.number == number)?;
        let fetch = asked.fetches.swap_remove(at);
        asked.fetched = entries;
        Some(fetch.context)
    }

    pub fn forget_fetched(&mut self) {
        self.asked.get_mut().fetched = Vec::new();
    }

    pub fn truncated_index(&self) -> u64 {
        self.truncated_index
    }

    fn ask(&self, low: u64, high: u64, max_bytes: u64, context: GetEntriesContext) -> Error {
        let mut asked = self.asked.borrow_mut();
        let name = format!("{low} {context:?}");
        if asked.fetches.len() < FETCHES_MAX && asked.fetches.iter().all(|fetch| fetch.name != name) {
            asked.last_number += 1;
            let number = asked.last_number;
            asked.fetches.push(Fetch { number, low, high, max_bytes, context, name, is_told: false });
        }
        Error::Store(StorageError::LogTemporarilyUnavailable)
    }
}

fn holds(members: &ConfState, id: u64) -> bool {
    members.voters.contains(&id)
        || members.learners.contains(&id)
        || members.voters_outgoing.contains(&id)
        || members.learners_next.contains(&id)
}

impl Storage for Store {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.conf_state.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        let max_size = max_size.into();
        assert!(high <= self.last_index + 1, "entries up to {high} of {}", self.last_index);
        if low <= self.truncated_index {
            return Err(Error::Store(StorageError::Compacted));
        }
        let first = self.window_first();
        let mut found: Vec<Entry> = if low >= first {
            self.window.range((low - first) as usize..(high - first) as usize).cloned().collect()
        } else {
            let asked = self.asked.borrow();
            let at = asked.fetched.iter().position(|entry| entry.index == low);
            if let Some(at) = at {
                asked.fetched[at..].iter().take_while(|entry| entry.index < high).cloned().collect()
            } else {
                drop(asked);
                assert!(context.can_async(), "entry {low} was dropped before it was applied");
                return Err(self.ask(low, high, max_size.unwrap_or(u64::MAX), context));
            }
        };
        raft::util::limit_size(&mut found, max_size);
        Ok(found)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index == self.truncated_index {
            return Ok(self.truncated_term);
        }
        if index < self.truncated_index {
            return Err(Error::Store(StorageError::Compacted));
        }
        if index > self.last_index {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let behind = self.runs.partition_point(|run| run.0 <= index);
        Ok(self.runs[behind - 1].1)
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.truncated_index + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.last_index)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> Result<Snapshot> {
        // A member ignores a checkpoint from before it was one.
        match &self.snapshot {
            Some(snapshot)
                if snapshot.get_metadata().index >= request_index.max(self.truncated_index)
                    && holds(snapshot.get_metadata().get_conf_state(), to) =>
            {
                Ok(snapshot.clone())
            }
            _ => {
                self.asked.borrow_mut().is_snapshot_wanted = true;
                Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}
