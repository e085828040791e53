#include "tests/sim/raft_member.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace keelson::tests {
namespace {

StoredEntry copy(const KrEntry& entry) {
  return {entry.index, entry.term, entry.type, std::string(raft::from_raft(entry.data)),
          std::string(raft::from_raft(entry.context))};
}

std::vector<Send> copy(const KrMessage* messages, size_t count) {
  std::vector<Send> sends;
  for (size_t i = 0; i < count; ++i) sends.push_back({messages[i].to, std::string(raft::from_raft(messages[i].bytes))});
  return sends;
}

std::vector<KrEntry> views(const std::deque<StoredEntry>& entries) {
  std::vector<KrEntry> result;
  for (const StoredEntry& entry : entries) result.push_back(entry.view());
  return result;
}

}  // namespace

std::string encode_state(const AppliedState& state) {
  std::string bytes(24, '\0');
  std::memcpy(bytes.data(), &state.index, 8);
  std::memcpy(bytes.data() + 8, &state.term, 8);
  std::memcpy(bytes.data() + 16, &state.hash, 8);
  return bytes;
}

AppliedState decode_state(std::string_view bytes) {
  KEELSON_CHECK(bytes.size() == 24, "a simulated checkpoint has 24 bytes");
  AppliedState state;
  std::memcpy(&state.index, bytes.data(), 8);
  std::memcpy(&state.term, bytes.data() + 8, 8);
  std::memcpy(&state.hash, bytes.data() + 16, 8);
  return state;
}

void RaftMember::format(const Members& members) {
  synced_ = {};
  synced_.checkpoint.members = members;
  written_ = synced_;
}

void RaftMember::start(uint64_t seed) {
  written_ = synced_;
  applied_ = written_.checkpoint;
  const std::vector<KrEntry> entries = views(written_.entries);
  const KrOptions options{.id = id_,
                          .election_ticks = 10,
                          .heartbeat_ticks = 2,
                          .message_bytes_max = 200,
                          .inflight_messages_max = 4,
                          .uncommitted_bytes_max = 100'000,
                          .committed_bytes_per_ready = 300,
                          .is_guarded = bug_ != RaftBug::kUnguarded,
                          .seed = seed};
  const KrInitial initial{.hard_state = written_.hard_state,
                          .members = written_.checkpoint.members.view(),
                          .truncated_index = written_.truncated_index,
                          .truncated_term = written_.truncated_term,
                          .entries = entries.data(),
                          .entries_count = entries.size(),
                          .applied = applied_.index};
  group_ = std::make_unique<raft::Group>(options, initial);
}

void RaftMember::crash(uint64_t survive) {
  for (uint64_t i = 0; i < survive && i < writes_.size(); ++i) put(synced_, writes_[i]);
  writes_.clear();
  outbox.clear();
  reads.clear();
  newly_applied.clear();
  installed.reset();
  group_.reset();
}

void RaftMember::put(DiskState& disk, const Write& write) {
  if (write.replaces_log) {
    disk.entries.clear();
    disk.truncated_index = write.checkpoint->index;
    disk.truncated_term = write.checkpoint->term;
  }
  if (write.checkpoint) disk.checkpoint = *write.checkpoint;
  for (const StoredEntry& entry : write.entries) {
    while (!disk.entries.empty() && disk.entries.back().index >= entry.index) disk.entries.pop_back();
    disk.entries.push_back(entry);
  }
  if (write.hard_state) disk.hard_state = *write.hard_state;
  while (!disk.entries.empty() && disk.entries.front().index <= write.truncate_to) {
    disk.truncated_index = disk.entries.front().index;
    disk.truncated_term = disk.entries.front().term;
    disk.entries.pop_front();
  }
}

void RaftMember::append(Write write) {
  write.number = next_write_++;
  put(written_, write);
  writes_.push_back(std::move(write));
}

void RaftMember::work() {
  KrReady ready;
  while (group_->ready(ready)) {
    store(ready);
    for (size_t i = 0; i < ready.reads_count; ++i) {
      reads.push_back({std::string(raft::from_raft(ready.reads[i].context)), ready.reads[i].index});
    }
    apply(ready);
    if (group_->wants_snapshot()) {
      const std::string data = encode_state(applied_);
      group_->set_snapshot({applied_.index, applied_.term, applied_.members.view(), raft::to_raft(data)});
    }
  }
}

void RaftMember::store(const KrReady& ready) {
  Write write;
  write.ready = ready.number;
  if (ready.snapshot.index != 0) {
    AppliedState state = decode_state(raft::from_raft(ready.snapshot.data));
    KEELSON_CHECK(state.index == ready.snapshot.index, "a snapshot holds the state of its index");
    state.members = Members::of(ready.snapshot.members);
    write.checkpoint = state;
    write.replaces_log = true;
  }
  for (size_t i = 0; i < ready.entries_count; ++i) write.entries.push_back(copy(ready.entries[i]));
  if (ready.has_hard_state) {
    write.hard_state = ready.hard_state;
    if (bug_ == RaftBug::kForgetsVote) write.hard_state->vote = 0;
  }
  write.sends = copy(ready.persisted_messages, ready.persisted_messages_count);
  for (Send& send : copy(ready.messages, ready.messages_count)) outbox.push_back(std::move(send));
  const bool is_done = !ready.must_sync && writes_.empty();
  if (is_done || bug_ == RaftBug::kAnswersBeforeSync) {
    for (Send& send : write.sends) outbox.push_back(std::move(send));
    write.sends.clear();
    write.ready.reset();
  }
  append(std::move(write));
}

void RaftMember::apply(const KrReady& ready) {
  const uint64_t number = ready.number;
  std::vector<StoredEntry> committed;
  for (size_t i = 0; i < ready.committed_count; ++i) committed.push_back(copy(ready.committed[i]));
  if (ready.snapshot.index != 0) {
    applied_ = written_.checkpoint;
    installed = applied_;
  }
  const bool is_told = !writes_.back().ready.has_value();
  group_->stored();
  if (is_told) group_->persisted(number);
  if (is_told && ready.snapshot.index != 0) group_->applied(applied_.index);
  for (const StoredEntry& entry : committed) {
    KEELSON_CHECK(entry.index == applied_.index + 1, "entries are applied without a gap");
    applied_.index = entry.index;
    applied_.term = entry.term;
    applied_.hash = hash64(entry.data, applied_.hash ^ entry.term);
    if (entry.type == static_cast<uint8_t>(raft::EntryType::kChange)) {
      applied_.members = Members::of(group_->apply_change(entry.data));
    }
    newly_applied.push_back({entry.index, entry.term, applied_.hash, entry.context});
  }
  if (!committed.empty()) group_->applied(applied_.index);
}

void RaftMember::sync_ended(uint64_t writes) {
  std::optional<uint64_t> ready;
  bool is_snapshot_synced = false;
  while (!writes_.empty() && writes_.front().number < writes) {
    Write& write = writes_.front();
    put(synced_, write);
    for (Send& send : write.sends) outbox.push_back(std::move(send));
    if (write.ready) ready = write.ready;
    is_snapshot_synced |= write.replaces_log;
    writes_.pop_front();
  }
  if (ready) {
    group_->persisted(*ready);
    if (is_snapshot_synced) group_->applied(applied_.index);
  }
  // What is applied and on the disk need not stay in memory.
  group_->drop(std::min(applied_.index, synced_.entries.empty() ? 0 : synced_.entries.back().index));
  truncate_log();
}

void RaftMember::take_checkpoint() {
  if (applied_.index <= written_.checkpoint.index) return;
  Write write;
  write.checkpoint = applied_;
  append(std::move(write));
}

void RaftMember::truncate_log() {
  const uint64_t covered = synced_.checkpoint.index;
  const uint64_t until = covered > keep_entries_ ? covered - keep_entries_ : 0;
  if (until <= written_.truncated_index) return;
  Write write;
  write.truncate_to = until;
  append(std::move(write));
  group_->truncate(until);
}

void RaftMember::serve_fetches() {
  while (const auto fetch = group_->next_fetch()) {
    std::vector<KrEntry> found;
    uint64_t bytes = 0;
    for (const StoredEntry& entry : written_.entries) {
      if (entry.index < fetch->low || entry.index >= fetch->high) continue;
      if (!found.empty() && bytes + entry.data.size() > fetch->bytes_max) break;
      bytes += entry.data.size();
      found.push_back(entry.view());
    }
    group_->fetched(fetch->number, found);
  }
}

}  // namespace keelson::tests
