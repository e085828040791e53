//! The C side: shapes as in raft_core.h, and nothing but conversion.
#![allow(clippy::missing_safety_doc)]

use crate::group::{code_of, Group, Options, Parts};
use crate::store::Store;
use protobuf::Message as _;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType, HardState, Message,
    Snapshot,
};
use raft::{SnapshotStatus, StateRole, Storage};
use std::ptr::null;
use std::slice::from_raw_parts;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrBytes {
    data: *const u8,
    size: usize,
}

impl KrBytes {
    fn of(bytes: &[u8]) -> KrBytes {
        KrBytes { data: bytes.as_ptr(), size: bytes.len() }
    }
    unsafe fn get<'a>(self) -> &'a [u8] {
        slice(self.data, self.size)
    }
}

unsafe fn slice<'a, T>(data: *const T, count: usize) -> &'a [T] {
    if count == 0 {
        &[]
    } else {
        from_raw_parts(data, count)
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrIds {
    ids: *const u64,
    count: usize,
}

impl KrIds {
    fn of(ids: &[u64]) -> KrIds {
        KrIds { ids: ids.as_ptr(), count: ids.len() }
    }
    unsafe fn get(self) -> Vec<u64> {
        slice(self.ids, self.count).to_vec()
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrMembers {
    voters: KrIds,
    learners: KrIds,
    voters_outgoing: KrIds,
    learners_next: KrIds,
    auto_leave: bool,
}

impl KrMembers {
    fn of(state: &ConfState) -> KrMembers {
        KrMembers {
            voters: KrIds::of(&state.voters),
            learners: KrIds::of(&state.learners),
            voters_outgoing: KrIds::of(&state.voters_outgoing),
            learners_next: KrIds::of(&state.learners_next),
            auto_leave: state.auto_leave,
        }
    }
    unsafe fn get(&self) -> ConfState {
        let mut state = ConfState::default();
        state.voters = self.voters.get();
        state.learners = self.learners.get();
        state.voters_outgoing = self.voters_outgoing.get();
        state.learners_next = self.learners_next.get();
        state.auto_leave = self.auto_leave;
        state
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrEntry {
    index: u64,
    term: u64,
    kind: u8,
    data: KrBytes,
    context: KrBytes,
}

impl KrEntry {
    fn of(entry: &Entry) -> KrEntry {
        KrEntry {
            index: entry.index,
            term: entry.term,
            kind: entry.get_entry_type() as u8,
            data: KrBytes::of(&entry.data),
            context: KrBytes::of(&entry.context),
        }
    }
    unsafe fn get(&self) -> Entry {
        let mut entry = Entry::default();
        entry.index = self.index;
        entry.term = self.term;
        entry.set_entry_type(match self.kind {
            0 => EntryType::EntryNormal,
            1 => EntryType::EntryConfChange,
            2 => EntryType::EntryConfChangeV2,
            other => panic!("entry {} has the type {other}", self.index),
        });
        entry.data = self.data.get().to_vec().into();
        entry.context = self.context.get().to_vec().into();
        entry
    }
}

unsafe fn entries_of(entries: *const KrEntry, count: usize) -> Vec<Entry> {
    slice(entries, count).iter().map(|entry| entry.get()).collect()
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct KrHardState {
    term: u64,
    vote: u64,
    commit: u64,
}

#[repr(C)]
pub struct KrOptions {
    id: u64,
    election_ticks: u32,
    heartbeat_ticks: u32,
    message_bytes_max: u64,
    inflight_messages_max: u32,
    uncommitted_bytes_max: u64,
    committed_bytes_per_ready: u64,
    is_guarded: bool,
    seed: u64,
}

#[repr(C)]
pub struct KrInitial {
    hard_state: KrHardState,
    members: KrMembers,
    truncated_index: u64,
    truncated_term: u64,
    entries: *const KrEntry,
    entries_count: usize,
    applied: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrMessage {
    to: u64,
    bytes: KrBytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrRead {
    context: KrBytes,
    index: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KrSnapshot {
    index: u64,
    term: u64,
    members: KrMembers,
    data: KrBytes,
}

impl KrSnapshot {
    fn of(snapshot: &Snapshot) -> KrSnapshot {
        let meta = snapshot.get_metadata();
        KrSnapshot {
            index: meta.index,
            term: meta.term,
            members: KrMembers::of(meta.get_conf_state()),
            data: KrBytes::of(&snapshot.data),
        }
    }
}

#[repr(C)]
pub struct KrReady {
    number: u64,
    must_sync: bool,
    has_hard_state: bool,
    hard_state: KrHardState,
    snapshot: KrSnapshot,
    entries: *const KrEntry,
    entries_count: usize,
    committed: *const KrEntry,
    committed_count: usize,
    reads: *const KrRead,
    reads_count: usize,
    messages: *const KrMessage,
    messages_count: usize,
    persisted_messages: *const KrMessage,
    persisted_messages_count: usize,
}

#[repr(C)]
pub struct KrFetch {
    number: u64,
    low: u64,
    high: u64,
    bytes_max: u64,
}

#[repr(C)]
pub struct KrStatus {
    term: u64,
    vote: u64,
    commit: u64,
    applied: u64,
    truncated_index: u64,
    last_index: u64,
    leader: u64,
    role: u8,
    is_commit_in_term: bool,
}

#[repr(C)]
pub struct KrProgress {
    matched: u64,
    next: u64,
    state: u8,
    is_active: bool,
}

#[repr(C)]
pub struct KrChange {
    kind: u8,
    id: u64,
}

#[repr(C)]
pub struct KrMessageHead {
    kind: u8,
    to: u64,
    from: u64,
    term: u64,
    snapshot: KrSnapshot,
}

/// A group, and the arrays that the last kr_ready() pointed into.
pub struct KrGroup {
    group: Group,
    entries: Vec<KrEntry>,
    committed: Vec<KrEntry>,
    reads: Vec<KrRead>,
    messages: Vec<KrMessage>,
    persisted_messages: Vec<KrMessage>,
    members: ConfState,
}

fn code<T>(result: raft::Result<T>) -> u32 {
    result.err().map_or(0, |error| code_of(&error).into())
}

#[no_mangle]
pub unsafe extern "C" fn kr_group_new(
    options: &KrOptions,
    initial: &KrInitial,
    result: &mut u32,
) -> *mut KrGroup {
    let mut store = Store::new(initial.truncated_index, initial.truncated_term);
    let mut hard_state = HardState::default();
    hard_state.term = initial.hard_state.term;
    hard_state.vote = initial.hard_state.vote;
    hard_state.commit = initial.hard_state.commit;
    store.set_hard_state(hard_state);
    store.set_conf_state(initial.members.get());
    store.append(&entries_of(initial.entries, initial.entries_count));
    let options = Options {
        id: options.id,
        applied: initial.applied,
        election_ticks: options.election_ticks as usize,
        heartbeat_ticks: options.heartbeat_ticks as usize,
        message_bytes_max: options.message_bytes_max,
        inflight_messages_max: options.inflight_messages_max as usize,
        uncommitted_bytes_max: options.uncommitted_bytes_max,
        committed_bytes_per_ready: options.committed_bytes_per_ready,
        is_guarded: options.is_guarded,
        seed: options.seed,
    };
    let logger = slog::Logger::root(slog::Discard, slog::o!());
    match Group::new(options, store, &logger) {
        Ok(group) => {
            *result = 0;
            Box::into_raw(Box::new(KrGroup {
                group,
                entries: Vec::new(),
                committed: Vec::new(),
                reads: Vec::new(),
                messages: Vec::new(),
                persisted_messages: Vec::new(),
                members: ConfState::default(),
            }))
        }
        Err(error) => {
            *result = code_of(&error).into();
            std::ptr::null_mut()
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn kr_group_free(group: *mut KrGroup) {
    drop(Box::from_raw(group));
}

#[no_mangle]
pub extern "C" fn kr_tick(group: &mut KrGroup) {
    group.group.tick();
}

#[no_mangle]
pub unsafe extern "C" fn kr_step(group: &mut KrGroup, message: KrBytes) -> u32 {
    code(group.group.step(message.get()))
}

#[no_mangle]
pub unsafe extern "C" fn kr_propose(group: &mut KrGroup, data: KrBytes, context: KrBytes) -> u32 {
    code(group.group.propose(data.get(), context.get()))
}

#[no_mangle]
pub unsafe extern "C" fn kr_propose_change(
    group: &mut KrGroup,
    changes: *const KrChange,
    count: usize,
    context: KrBytes,
) -> u32 {
    let mut all = ConfChangeV2::default();
    for change in slice(changes, count) {
        let mut single = ConfChangeSingle::default();
        single.set_change_type(match change.kind {
            0 => ConfChangeType::AddNode,
            1 => ConfChangeType::RemoveNode,
            2 => ConfChangeType::AddLearnerNode,
            _ => return 4,
        });
        single.node_id = change.id;
        all.mut_changes().push(single);
    }
    code(group.group.propose_change(all, context.get()))
}

#[no_mangle]
pub extern "C" fn kr_campaign(group: &mut KrGroup) -> u32 {
    code(group.group.campaign())
}

#[no_mangle]
pub extern "C" fn kr_transfer_leader(group: &mut KrGroup, to: u64) {
    group.group.node.transfer_leader(to);
}

#[no_mangle]
pub unsafe extern "C" fn kr_read_index(group: &mut KrGroup, context: KrBytes) {
    group.group.node.read_index(context.get().to_vec());
}

#[no_mangle]
pub extern "C" fn kr_report_unreachable(group: &mut KrGroup, id: u64) {
    group.group.node.report_unreachable(id);
}

#[no_mangle]
pub extern "C" fn kr_forget_leader(group: &mut KrGroup) {
    group.group.forget_leader();
}

#[no_mangle]
pub extern "C" fn kr_report_snapshot(group: &mut KrGroup, id: u64, has_arrived: bool) {
    let status = if has_arrived { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
    group.group.node.report_snapshot(id, status);
}

fn refill<T, R>(to: &mut Vec<R>, from: &[T], convert: impl Fn(&T) -> R) -> (*const R, usize) {
    to.clear();
    to.extend(from.iter().map(convert));
    (if to.is_empty() { null() } else { to.as_ptr() }, to.len())
}

#[no_mangle]
pub extern "C" fn kr_ready(group: &mut KrGroup, ready: &mut KrReady) -> bool {
    let parts: &Parts = match group.group.ready() {
        Some(parts) => parts,
        None => return false,
    };
    let state = parts.hard_state.clone().unwrap_or_default();
    let message = |(to, bytes): &(u64, Vec<u8>)| KrMessage { to: *to, bytes: KrBytes::of(bytes) };
    let (entries, entries_count) = refill(&mut group.entries, &parts.entries, KrEntry::of);
    let (committed, committed_count) = refill(&mut group.committed, &parts.committed, KrEntry::of);
    let (reads, reads_count) = refill(&mut group.reads, &parts.reads, |(context, index)| KrRead {
        context: KrBytes::of(context),
        index: *index,
    });
    let (messages, messages_count) = refill(&mut group.messages, &parts.messages, message);
    let (persisted_messages, persisted_messages_count) =
        refill(&mut group.persisted_messages, &parts.persisted_messages, message);
    *ready = KrReady {
        number: parts.number,
        must_sync: parts.must_sync,
        has_hard_state: parts.hard_state.is_some(),
        hard_state: KrHardState { term: state.term, vote: state.vote, commit: state.commit },
        snapshot: KrSnapshot::of(&parts.snapshot),
        entries,
        entries_count,
        committed,
        committed_count,
        reads,
        reads_count,
        messages,
        messages_count,
        persisted_messages,
        persisted_messages_count,
    };
    true
}

#[no_mangle]
pub extern "C" fn kr_stored(group: &mut KrGroup) {
    group.group.stored();
}

#[no_mangle]
pub extern "C" fn kr_persisted(group: &mut KrGroup, number: u64) {
    group.group.persisted(number);
}

#[no_mangle]
pub extern "C" fn kr_applied(group: &mut KrGroup, index: u64) {
    group.group.applied(index);
}

#[no_mangle]
pub unsafe extern "C" fn kr_apply_change(
    group: &mut KrGroup,
    data: KrBytes,
    members: &mut KrMembers,
) -> u32 {
    match group.group.apply_change(data.get()) {
        Ok(state) => {
            group.members = state;
            *members = KrMembers::of(&group.members);
            0
        }
        Err(error) => code_of(&error).into(),
    }
}

#[no_mangle]
pub extern "C" fn kr_drop(group: &mut KrGroup, index: u64) {
    let applied = group.group.node.raft.raft_log.applied();
    group.group.node.mut_store().drop_until(index.min(applied));
}

#[no_mangle]
pub extern "C" fn kr_truncate(group: &mut KrGroup, index: u64) {
    let applied = group.group.node.raft.raft_log.applied();
    assert!(index <= applied, "truncation at {index} of a log applied to {applied}");
    group.group.node.mut_store().truncate(index);
}

#[no_mangle]
pub extern "C" fn kr_next_fetch(group: &mut KrGroup, fetch: &mut KrFetch) -> bool {
    let next = group.group.node.mut_store().next_fetch();
    if let Some(next) = next {
        *fetch = KrFetch { number: next.number, low: next.low, high: next.high, bytes_max: next.max_bytes };
        return true;
    }
    false
}

#[no_mangle]
pub unsafe extern "C" fn kr_fetched(
    group: &mut KrGroup,
    number: u64,
    entries: *const KrEntry,
    count: usize,
) {
    group.group.fetched(number, entries_of(entries, count));
}

#[no_mangle]
pub extern "C" fn kr_wants_snapshot(group: &mut KrGroup) -> bool {
    group.group.node.mut_store().take_snapshot_wanted()
}

#[no_mangle]
pub unsafe extern "C" fn kr_set_snapshot(group: &mut KrGroup, snapshot: &KrSnapshot) {
    let mut taken = Snapshot::default();
    taken.data = snapshot.data.get().to_vec().into();
    taken.mut_metadata().index = snapshot.index;
    taken.mut_metadata().term = snapshot.term;
    taken.mut_metadata().set_conf_state(snapshot.members.get());
    group.group.node.mut_store().set_snapshot(taken);
}

#[no_mangle]
pub extern "C" fn kr_status(group: &KrGroup, status: &mut KrStatus) {
    let raft = &group.group.node.raft;
    *status = KrStatus {
        term: raft.term,
        vote: raft.vote,
        commit: raft.raft_log.committed,
        applied: raft.raft_log.applied(),
        truncated_index: raft.store().truncated_index(),
        last_index: raft.store().last_index().expect("the store knows its last index"),
        leader: raft.leader_id,
        role: match raft.state {
            StateRole::Follower => 0,
            StateRole::Candidate => 1,
            StateRole::Leader => 2,
            StateRole::PreCandidate => 3,
        },
        is_commit_in_term: raft.commit_to_current_term(),
    };
}

#[no_mangle]
pub extern "C" fn kr_progress(group: &KrGroup, id: u64, progress: &mut KrProgress) -> bool {
    if let Some(found) = group.group.node.raft.prs().get(id) {
        *progress = KrProgress {
            matched: found.matched,
            next: found.next_idx,
            state: found.state as u8,
            is_active: found.recent_active,
        };
        return true;
    }
    false
}

#[no_mangle]
pub unsafe extern "C" fn kr_message_head(bytes: KrBytes, head: &mut KrMessageHead) -> bool {
    let mut message = Message::default();
    if message.merge_from_bytes(bytes.get()).is_err() {
        return false;
    }
    let none = ConfState::default();
    let meta = message.get_snapshot().get_metadata();
    *head = KrMessageHead {
        kind: message.get_msg_type() as u8,
        to: message.to,
        from: message.from,
        term: message.term,
        snapshot: KrSnapshot {
            index: meta.index,
            term: meta.term,
            members: KrMembers::of(&none),
            data: KrBytes { data: null(), size: 0 },
        },
    };
    true
}
