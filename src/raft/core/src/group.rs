//! One member of one Raft group: raft-rs, told the election timeouts by our own generator, and guarded where 0.7.0 is
//! known to be wrong.

use crate::store::Store;
use protobuf::Message as _;
use raft::eraftpb::{ConfChangeV2, ConfState, Entry, HardState, Message, MessageType, Snapshot};
use raft::{Changer, Config, Error, RawNode, Ready, Result, StateRole};
use slog::Logger;

/// raft-rs draws election timeouts from the thread's own generator, which no seed governs. It is told a range so wide
/// that what it draws is beyond any real timeout (but for one draw in 2^40), and what is beyond is replaced by ours.
const DRAWN_MAX: usize = 1 << 62;
const REAL_MAX: usize = 1 << 22;

/// The parts of a Ready that the caller looks at until stored().
#[derive(Default)]
pub struct Parts {
    pub number: u64,
    pub must_sync: bool,
    pub hard_state: Option<HardState>,
    pub snapshot: Snapshot,
    pub entries: Vec<Entry>,
    pub committed: Vec<Entry>,
    /// (context, index)
    pub reads: Vec<(Vec<u8>, u64)>,
    /// (to, encoded): to be sent at once.
    pub messages: Vec<(u64, Vec<u8>)>,
    /// To be sent once this Ready is on the disk.
    pub persisted_messages: Vec<(u64, Vec<u8>)>,
    ready: Ready,
}

pub struct Options {
    pub id: u64,
    pub applied: u64,
    pub election_ticks: usize,
    pub heartbeat_ticks: usize,
    pub message_bytes_max: u64,
    pub inflight_messages_max: usize,
    pub uncommitted_bytes_max: u64,
    pub committed_bytes_per_ready: u64,
    pub is_guarded: bool,
    pub seed: u64,
}

pub struct Group {
    pub node: RawNode<Store>,
    options: Options,
    random: u64,
    parts: Option<Parts>,
}

impl Group {
    pub fn new(options: Options, store: Store, logger: &Logger) -> Result<Group> {
        let config = Config {
            id: options.id,
            election_tick: options.election_ticks,
            heartbeat_tick: options.heartbeat_ticks,
            applied: options.applied,
            max_size_per_msg: options.message_bytes_max,
            max_inflight_msgs: options.inflight_messages_max,
            check_quorum: true,
            pre_vote: true,
            min_election_tick: options.election_ticks,
            max_election_tick: DRAWN_MAX,
            // Never by the leader's lease, which trusts clocks.
            read_only_option: raft::ReadOnlyOption::Safe,
            max_uncommitted_size: options.uncommitted_bytes_max,
            max_committed_size_per_ready: options.committed_bytes_per_ready,
            ..Default::default()
        };
        let node = RawNode::new(&config, store, logger)?;
        let random = options.seed;
        let mut group = Group { node, options, random, parts: None };
        group.own_timeout();
        Ok(group)
    }

    /// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn own_timeout(&mut self) {
        if self.node.raft.randomized_election_timeout() > REAL_MAX {
            let ticks = self.options.election_ticks;
            let timeout = ticks + (self.next_random() % ticks as u64) as usize;
            self.node.raft.set_randomized_election_timeout(timeout);
        }
    }

    pub fn tick(&mut self) {
        self.node.tick();
        self.own_timeout();
    }

    pub fn step(&mut self, bytes: &[u8]) -> Result<()> {
        let mut message = Message::default();
        message.merge_from_bytes(bytes)?;
        if self.options.is_guarded && !self.guard_rejection(&mut message) {
            return Ok(());
        }
        let outcome = self.node.step(message);
        self.own_timeout();
        outcome
    }

    /// raft-rs 0.7.0 lets a rejected append in probe state set the next index at or below what is known to match
    /// (raft-rs #557: the rejection is old, or of a follower that answers twice). What matches cannot be rejected: such
    /// an answer is stale and is dropped; a hint below what matches is raised to it. False: drop it.
    fn guard_rejection(&self, message: &mut Message) -> bool {
        if message.get_msg_type() != MessageType::MsgAppendResponse
            || !message.reject
            || message.request_snapshot != 0
            || message.term != self.node.raft.term
        {
            return true;
        }
        if let Some(progress) = self.node.raft.prs().get(message.from) {
            if message.index <= progress.matched {
                return false;
            }
            if message.reject_hint < progress.matched {
                message.reject_hint = progress.matched;
                message.log_term = 0;
            }
        }
        true
    }

    pub fn propose(&mut self, data: &[u8], context: &[u8]) -> Result<()> {
        self.node.propose(context.to_vec(), data.to_vec())
    }

    /// raft-rs looks at a change only when it is committed, when it is too late to say no: so it is tried first.
    pub fn propose_change(&mut self, change: ConfChangeV2, context: &[u8]) -> Result<()> {
        let mut changer = Changer::new(self.node.raft.prs());
        if change.leave_joint() {
            changer.leave_joint()?;
        } else if let Some(auto_leave) = change.enter_joint() {
            changer.enter_joint(auto_leave, &change.changes)?;
        } else {
            changer.simple(&change.changes)?;
        }
        self.node.propose_conf_change(context.to_vec(), change)
    }

    pub fn apply_change(&mut self, data: &[u8]) -> Result<ConfState> {
        let mut change = ConfChangeV2::default();
        change.merge_from_bytes(data)?;
        let state = self.node.apply_conf_change(&change)?;
        self.node.mut_store().set_conf_state(state.clone());
        // raft-rs 0.7.0 leaves a leader that is no voter any more in office, and panics when it commits next.
        let raft = &mut self.node.raft;
        if raft.state == StateRole::Leader && !raft.promotable() {
            raft.become_follower(raft.term, raft::INVALID_ID);
            self.own_timeout();
        }
        Ok(state)
    }

    pub fn ready(&mut self) -> Option<&Parts> {
        assert!(self.parts.is_none(), "the last Ready was not stored");
        if !self.node.has_ready() {
            return None;
        }
        let mut ready = self.node.ready();
        let parts = Parts {
            number: ready.number(),
            must_sync: ready.must_sync(),
            hard_state: ready.hs().cloned(),
            snapshot: ready.snapshot().clone(),
            entries: ready.take_entries(),
            committed: ready.take_committed_entries(),
            reads: ready
                .take_read_states()
                .into_iter()
                .map(|state| (state.request_ctx, state.index))
                .collect(),
            messages: encode(ready.take_messages()),
            persisted_messages: encode(ready.take_persisted_messages()),
            ready,
        };
        self.parts = Some(parts);
        self.parts.as_ref()
    }

    /// The caller has appended what the last Ready holds to its log (and need not have synced it).
    pub fn stored(&mut self) {
        let parts = self.parts.take().expect("stored() without a Ready");
        let store = self.node.mut_store();
        if !parts.snapshot.is_empty() {
            store.restore(&parts.snapshot);
        }
        if let Some(state) = parts.hard_state {
            store.set_hard_state(state);
        }
        store.append(&parts.entries);
        self.node.advance_append_async(parts.ready);
        self.own_timeout();
    }

    /// Everything up to this Ready is on the disk.
    pub fn persisted(&mut self, number: u64) {
        self.node.on_persist_ready(number);
    }

    pub fn applied(&mut self, index: u64) {
        self.node.advance_apply_to(index);
    }

    pub fn fetched(&mut self, number: u64, entries: Vec<Entry>) {
        if let Some(context) = self.node.mut_store().fetched(number, entries) {
            self.node.on_entries_fetched(context);
            self.node.mut_store().forget_fetched();
        }
    }

    pub fn forget_leader(&mut self) {
        let raft = &mut self.node.raft;
        if raft.state == StateRole::Follower && raft.leader_id != raft::INVALID_ID {
            raft.become_follower(raft.term, raft::INVALID_ID);
            self.own_timeout();
        }
    }

    pub fn campaign(&mut self) -> Result<()> {
        let outcome = self.node.campaign();
        self.own_timeout();
        outcome
    }
}

fn encode(messages: Vec<Message>) -> Vec<(u64, Vec<u8>)> {
    messages
        .into_iter()
        .map(|message| (message.to, message.write_to_bytes().expect("a message of ours does not encode")))
        .collect()
}

/// What a call came to, for the C side.
pub fn code_of(error: &Error) -> u8 {
    match error {
        Error::ProposalDropped => 1,
        Error::StepPeerNotFound => 2,
        Error::StepLocalMsg => 3,
        Error::ConfChangeError(_) => 4,
        Error::CodecError(_) => 5,
        Error::ConfigInvalid(_) => 6,
        _ => 7,
    }
}
