#include "tests/sim/raft_world.h"

#include <algorithm>
#include <utility>

namespace keelson::tests {
namespace {

constexpr int64_t kTickUs = 10'000;
constexpr uint64_t kFaultsUs = 20'000'000;
// An election takes at most twice 20 ticks with nobody in the way; a member that must catch up by a snapshot needs a
// few rounds. Far more than that.
constexpr uint64_t kCalmUs = 10'000'000;
constexpr uint8_t kMessageSnapshot = 7;  // eraftpb.MessageType

}  // namespace

RaftWorld::RaftWorld(uint64_t seed, RaftBug bug) : bug_(bug), chance_(seed) {
  const uint64_t count = chance_.happens(0.5) ? 3 : 5;
  const uint64_t spare = chance_.below(3);
  Members first;
  for (MemberId id = 1; id <= count; ++id) first.voters.push_back(id);
  const uint64_t keep = chance_.below(30);
  for (MemberId id = 1; id <= count + spare; ++id) {
    members_[id] = std::make_unique<RaftMember>(id, bug, keep);
    members_[id]->format(first);
    start_member(id);
  }
  draw_faults();
}

void RaftWorld::draw_faults() {
  faults_.loss = chance_.happens(0.5) ? 0.3 * static_cast<double>(chance_.below(100)) / 100 : 0;
  faults_.doubled = chance_.happens(0.5) ? 0.2 : 0;
  faults_.delay_us_max = chance_.happens(0.3) ? 100'000 : 3'000;
  faults_.sync_us_max = chance_.happens(0.3) ? 50'000 : 3'000;
  faults_.crash_every_us = chance_.happens(0.7) ? chance_.between(100'000, 2'000'000) : 0;
  faults_.cut_every_us = chance_.happens(0.7) ? chance_.between(300'000, 2'000'000) : 0;
  faults_.change_every_us = chance_.happens(0.6) ? chance_.between(200'000, 3'000'000) : 0;
  faults_.transfer_every_us = chance_.happens(0.5) ? chance_.between(300'000, 3'000'000) : 0;
  faults_.checkpoint_every_us = chance_.between(50'000, 1'000'000);
}

void RaftWorld::after(int64_t delay_us, std::function<void()> run) {
  queue_.push({now_us_ + static_cast<uint64_t>(std::max<int64_t>(delay_us, 0)), ++events_, std::move(run)});
}

void RaftWorld::each(int64_t about_us, const std::function<void()>& run) {
  if (about_us == 0) return;
  after(chance_.between(about_us / 2, about_us * 3 / 2), [this, about_us, run] {
    if (!has_faults_) return;
    run();
    each(about_us, run);
  });
}

void RaftWorld::run_until(uint64_t at_us) {
  while (!broken_ && !queue_.empty() && queue_.top().at_us <= at_us) {
    Event event = queue_.top();
    queue_.pop();
    now_us_ = event.at_us;
    event.run();
  }
  now_us_ = at_us;
}

void RaftWorld::start_member(MemberId id) {
  members_[id]->start(chance_.next());
  const uint64_t life = ++lives_[id];
  after(chance_.between(0, kTickUs), [this, id, life] {
    if (lives_[id] == life) tick(id);
  });
}

void RaftWorld::tick(MemberId id) {
  RaftMember& member = *members_[id];
  if (!member.is_up()) return;
  member.group().tick();
  settle(member);
  const uint64_t life = lives_[id];
  // Clocks differ by a tenth.
  after(kTickUs + chance_.between(-kTickUs / 10, kTickUs / 10), [this, id, life] {
    if (lives_[id] == life) tick(id);
  });
}

void RaftWorld::settle(RaftMember& member) {
  member.work();
  if (member.installed) {
    ++counts_.snapshots;
    const auto found = history_.find(member.installed->index);
    if (found == history_.end() || found->second.hash != member.installed->hash) {
      fail("a snapshot holds a state that nobody applied");
    }
    member.installed.reset();
  }
  for (const AppliedEntry& entry : std::exchange(member.newly_applied, {})) check_applied(member, entry);
  check_leader(member);
  answer_reads(member);
  for (Send& out : std::exchange(member.outbox, {})) send(member.id(), std::move(out));
  member.serve_fetches();
  if (member.unsynced_writes() > 0) sync(member.id());
}

void RaftWorld::sync(MemberId id) {
  const uint64_t life = lives_[id];
  const uint64_t writes = members_[id]->begin_sync();
  after(chance_.between(100, has_faults_ ? faults_.sync_us_max : 1'000), [this, id, life, writes] {
    if (lives_[id] != life || !members_[id]->is_up()) return;
    const uint64_t before = members_[id]->unsynced_writes();
    members_[id]->sync_ended(writes);
    if (members_[id]->unsynced_writes() != before) settle(*members_[id]);
  });
}

void RaftWorld::send(MemberId from, Send out) {
  KrMessageHead head;
  const bool is_snapshot = kr_message_head(raft::to_raft(out.bytes), &head) && head.type == kMessageSnapshot;
  const bool is_lost = has_faults_ && chance_.happens(faults_.loss);
  const int64_t delay_us = chance_.between(50, has_faults_ ? faults_.delay_us_max : 1'000);
  if (is_snapshot) {
    // The sender of a snapshot always learns what became of it, in the end.
    const uint64_t life = lives_[from];
    after(delay_us + 50'000, [this, from, life, to = out.to, is_lost] {
      if (lives_[from] != life || !members_[from]->is_up()) return;
      members_[from]->group().report_snapshot(to, !is_lost);
      settle(*members_[from]);
    });
  }
  if (is_lost) return;
  if (has_faults_ && chance_.happens(faults_.doubled)) {
    after(chance_.between(50, faults_.delay_us_max * 3), [this, from, out] { deliver(from, out); });
  }
  after(delay_us, [this, from, out] { deliver(from, out); });
}

void RaftWorld::deliver(MemberId from, const Send& out) {
  const auto found = members_.find(out.to);
  if (found == members_.end() || !found->second->is_up() || cut_.contains({from, out.to})) return;
  const KrCode code = found->second->group().step(out.bytes);
  if (code == KR_BAD_BYTES || code == KR_LOCAL_MESSAGE) fail("a member sent what another cannot read");
  settle(*found->second);
}

RaftMember* RaftWorld::pick_up() {
  std::vector<RaftMember*> up;
  for (auto& [id, member] : members_) {
    if (member->is_up()) up.push_back(member.get());
  }
  return up.empty() ? nullptr : up[chance_.below(up.size())];
}

RaftMember* RaftWorld::leader() {
  RaftMember* found = nullptr;
  for (auto& [id, member] : members_) {
    if (!member->is_up() || member->group().role() != raft::Role::kLeader) continue;
    if (found == nullptr || member->group().status().term > found->group().status().term) found = member.get();
  }
  return found;
}

void RaftWorld::propose() {
  RaftMember* member = chance_.happens(0.8) ? leader() : pick_up();
  if (member == nullptr) return;
  const std::string id = std::to_string(next_id_++);
  const std::string data = id + std::string(chance_.below(60), 'x');
  if (member->group().propose(data, id) == KR_OK) asked_[id] = member->id();
  settle(*member);
}

void RaftWorld::read() {
  RaftMember* member = pick_up();
  if (member == nullptr) return;
  const std::string id = "r" + std::to_string(next_id_++);
  Read& begun = reads_[id];
  begun = {member->id(), lives_[member->id()], acknowledged_index_, std::nullopt};
  if (bug_ == RaftBug::kReadsLocally) {
    begun.index = member->applied().index;
    answer_reads(*member);
    return;
  }
  member->group().read_index(id);
  settle(*member);
}

void RaftWorld::answer_reads(RaftMember& member) {
  for (const ReadAnswer& answer : std::exchange(member.reads, {})) {
    const auto found = reads_.find(answer.context);
    if (found != reads_.end()) found->second.index = answer.index;
  }
  for (auto it = reads_.begin(); it != reads_.end();) {
    const Read& read = it->second;
    const bool is_here = read.at == member.id() && read.life == lives_[member.id()];
    if (read.at == member.id() && !is_here) {
      it = reads_.erase(it);  // the member has crashed meanwhile
    } else if (is_here && read.index && *read.index <= member.applied().index) {
      if (member.applied().index < read.must_see) {
        return fail("a read saw index " + std::to_string(member.applied().index) + ", but " +
                    std::to_string(read.must_see) + " had been acknowledged before it began");
      }
      ++counts_.reads;
      it = reads_.erase(it);
    } else {
      ++it;
    }
  }
}

void RaftWorld::check_applied(const RaftMember& member, const AppliedEntry& entry) {
  const auto [found, is_new] = history_.try_emplace(entry.index, History{entry.term, entry.hash, entry.context});
  if (found->second.hash != entry.hash || found->second.term != entry.term) {
    return fail("member " + std::to_string(member.id()) + " applied another entry at index " +
                std::to_string(entry.index));
  }
  // Acknowledged by the member that it was proposed to.
  const auto asked = asked_.find(entry.context);
  if (asked == asked_.end() || asked->second != member.id()) return;
  asked_.erase(asked);
  acknowledged_index_ = std::max(acknowledged_index_, entry.index);
  ++counts_.acknowledged;
}

void RaftWorld::check_leader(RaftMember& member) {
  const KrStatus status = member.group().status();
  if (status.role != static_cast<uint8_t>(raft::Role::kLeader)) return;
  const auto [found, is_new] = leaders_.try_emplace(status.term, member.id());
  if (is_new) ++counts_.elections;
  if (found->second != member.id()) return fail("term " + std::to_string(status.term) + " has two leaders");
  for (const auto& [id, other] : members_) {
    const auto progress = member.group().progress(id);
    if (progress && progress->next <= progress->matched) {
      return fail("a leader's next index for a member is not behind what it knows to match");
    }
  }
}

void RaftWorld::crash_one() {
  RaftMember* member = pick_up();
  if (member == nullptr) return;
  ++counts_.crashes;
  member->crash(chance_.below(member->unsynced_writes() + 1));
  const MemberId id = member->id();
  ++lives_[id];
  after(chance_.between(1'000, 1'500'000), [this, id] {
    if (!members_[id]->is_up()) start_member(id);
  });
}

void RaftWorld::cut_links() {
  cut_.clear();
  if (chance_.happens(0.4)) return;  // healed
  const bool is_one_way = chance_.happens(0.4);
  std::map<MemberId, bool> side;
  for (const auto& [id, member] : members_) side[id] = chance_.happens(0.5);
  for (const auto& [from, is_left] : side) {
    for (const auto& [to, is_right] : side) {
      if (is_left != is_right && (!is_one_way || is_left)) cut_.insert({from, to});
    }
  }
}

void RaftWorld::change_members() {
  RaftMember* member = leader();
  if (member == nullptr) return;
  const Members& now = member->applied().members;
  std::vector<KrChange> changes;
  for (const auto& [id, other] : members_) {
    if (!chance_.happens(0.3)) continue;
    const uint8_t type = static_cast<uint8_t>(chance_.below(3));
    // At least two voters stay; the leader may go too.
    if (type != 0 && std::ranges::find(now.voters, id) != now.voters.end() && now.voters.size() <= 2 + changes.size()) {
      continue;
    }
    changes.push_back({type, id});
  }
  if (!changes.empty() && member->group().propose_change(changes, "") == KR_OK) ++counts_.changes;
  settle(*member);
}

void RaftWorld::transfer() {
  RaftMember* from = leader();
  RaftMember* to = pick_up();
  if (from == nullptr || to == nullptr) return;
  from->group().transfer_leader(to->id());
  settle(*from);
}

void RaftWorld::checkpoint_one() {
  if (RaftMember* member = pick_up()) {
    member->take_checkpoint();
    settle(*member);
  }
}

void RaftWorld::check_end() {
  RaftMember* last = leader();
  if (last == nullptr) return fail("no leader after the faults have ended");
  const Members members = last->applied().members;
  const std::string id = std::to_string(next_id_++);
  if (last->group().propose("the last", id) != KR_OK) return fail("the leader takes no proposal after the faults");
  asked_[id] = last->id();
  settle(*last);
  run_until(now_us_ + kCalmUs);
  if (broken_) return;
  if (asked_.contains(id)) return fail("a proposal was not committed after the faults have ended");
  for (const auto& [member_id, member] : members_) {
    if (!members.holds(member_id)) continue;
    if (member->applied().index != last->applied().index || member->applied().hash != last->applied().hash) {
      return fail("member " + std::to_string(member_id) + " has not caught up after the faults have ended");
    }
  }
  if (last->applied().index < acknowledged_index_) fail("what was acknowledged is gone");
}

void RaftWorld::fail(const std::string& what) {
  if (broken_) return;
  broken_ = what + " (at " + std::to_string(now_us_) + " us)";
  for (const auto& [id, member] : members_) {
    if (!member->is_up()) continue;
    const KrStatus status = member->group().status();
    *broken_ += "\nmember " + std::to_string(id) + ": role " + std::to_string(status.role) + " term " +
                std::to_string(status.term) + " leader " + std::to_string(status.leader) + " log " +
                std::to_string(status.truncated_index) + ".." + std::to_string(status.last_index) + " commit " +
                std::to_string(status.commit) + " applied " + std::to_string(member->applied().index);
    for (const auto& [other, unused] : members_) {
      const auto progress = member->group().progress(other);
      if (status.role != static_cast<uint8_t>(raft::Role::kLeader) || !progress) continue;
      *broken_ += "\n  of " + std::to_string(other) + ": matched " + std::to_string(progress->matched) + " next " +
                  std::to_string(progress->next) + " state " + std::to_string(progress->state);
    }
  }
}

std::optional<std::string> RaftWorld::run() {
  each(5'000, [this] { propose(); });
  each(20'000, [this] { read(); });
  each(faults_.crash_every_us, [this] { crash_one(); });
  each(faults_.cut_every_us, [this] { cut_links(); });
  each(faults_.change_every_us, [this] { change_members(); });
  each(faults_.transfer_every_us, [this] { transfer(); });
  each(faults_.checkpoint_every_us, [this] { checkpoint_one(); });
  run_until(kFaultsUs);
  has_faults_ = false;
  cut_.clear();
  for (auto& [id, member] : members_) {
    if (!member->is_up()) start_member(id);
  }
  run_until(now_us_ + kCalmUs);
  if (!broken_) check_end();
  return broken_;
}

}  // namespace keelson::tests
