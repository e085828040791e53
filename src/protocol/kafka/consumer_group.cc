#include "protocol/kafka/consumer_group.h"

#include <algorithm>
#include <set>
#include <utility>

#include "protocol/kafka/assignors.h"

namespace keelson::kafka {

namespace {

using topic::PartitionId;
using topic::TopicId;
using topic::TopicPartitions;
using PartitionSet = std::set<PartitionId>;

PartitionSet set_of(const std::vector<TopicPartitions>& rows) {
  PartitionSet set;
  for (const TopicPartitions& row : rows) {
    for (const int32_t partition : row.partitions) set.insert({row.topic, partition});
  }
  return set;
}

std::vector<TopicPartitions> rows_of(const PartitionSet& set) {
  std::vector<TopicPartitions> rows;
  for (const PartitionId& id : set) {
    if (rows.empty() || rows.back().topic != id.topic) rows.push_back({.topic = id.topic});
    rows.back().partitions.push_back(id.partition);
  }
  return rows;
}

int64_t bytes_of(const std::vector<std::string>& topics, const std::string& regex) {
  size_t sum = regex.size();
  for (const std::string& name : topics) sum += name.size() + 1;
  return static_cast<int64_t>(sum);
}
int64_t bytes_of(const topic::GroupMember& member) { return bytes_of(member.topics, member.topic_regex); }

BeatResult refused(ErrorCode error, std::string message = {}) {
  return {.error = error, .message = message.empty() ? std::string(error_text(error)) : std::move(message)};
}

}  // namespace

ConsumerGroup::ConsumerGroup(GroupHost& host, uint64_t serial, std::string name, int32_t epoch)
    : host_(host), serial_(serial) {
  head_.name = std::move(name);
  head_.type = topic::GroupType::kConsumer;
  head_.protocol_type = "consumer";
  head_.epoch = epoch;
  head_.target_epoch = epoch;
}

ConsumerGroup::ConsumerGroup(GroupHost& host, uint64_t serial, const topic::GroupHead& head,
                             std::vector<topic::GroupMember> members)
    : host_(host), serial_(serial), head_(head), was_saved_(true) {
  const int64_t now_ms = host_.now_ms();
  for (topic::GroupMember& each : members) {
    if (!each.instance_id.empty()) instances_[each.instance_id] = each.id;
    Member& member = members_[each.id];
    member.saved = std::move(each);
    subscription_bytes_ += bytes_of(member.saved);
    for (const auto* rows : {&member.saved.owned, &member.saved.revoking}) {
      for (const PartitionId& id : set_of(*rows)) holders_[id] = member.saved.id;
    }
    member.expires_ms = now_ms + host_.options().consumer_session_timeout_ms;
    wake_at(member.expires_ms);
    if (member.state() == MemberState::kUnrevoked) {
      member.revoke_until_ms = now_ms + member.saved.rebalance_timeout_ms;
      wake_at(member.revoke_until_ms);
    }
  }
}

ConsumerGroup::~ConsumerGroup() = default;

void ConsumerGroup::wake_at(int64_t at_ms) { wake_ms_ = std::min(wake_ms_, at_ms); }

std::string_view ConsumerGroup::state_name() const {
  if (members_.empty()) return "Empty";
  if (head_.epoch > head_.target_epoch) return "Assigning";
  const bool is_settled = std::ranges::all_of(members_, [&](const auto& row) {
    const topic::GroupMember& member = row.second.saved;
    return member.epoch == kLeftForNow ||
           (row.second.state() == MemberState::kStable && member.epoch == head_.target_epoch);
  });
  return is_settled ? "Stable" : "Reconciling";
}

// ---- Who speaks.

// A member with an older epoch may have missed the answer that told it the present one: then it says so with the epoch
// before, and has nothing but what it was given.
ErrorCode ConsumerGroup::check_epoch(const Member& member, const ConsumerBeat& beat) const {
  if (beat.epoch == member.saved.epoch) return ErrorCode::kNone;
  if (beat.epoch > member.saved.epoch || beat.epoch != member.saved.previous_epoch || !beat.owned) {
    return ErrorCode::kFencedMemberEpoch;
  }
  return std::ranges::includes(set_of(member.saved.owned), set_of(*beat.owned)) ? ErrorCode::kNone
                                                                                : ErrorCode::kFencedMemberEpoch;
}

ErrorCode ConsumerGroup::join(const ConsumerBeat& beat, Member*& found) {
  if (members_.size() >= static_cast<size_t>(host_.options().members_max)) return ErrorCode::kGroupMaxSizeReached;
  // An id is one member's: another instance does not get it.
  if (members_.contains(beat.member_id)) return ErrorCode::kFencedInstanceId;
  Member& member = members_[beat.member_id];
  member.saved.id = beat.member_id;
  member.saved.instance_id = beat.instance_id.value_or("");
  if (beat.instance_id) instances_[*beat.instance_id] = beat.member_id;
  member.is_changed = true;
  bump();
  found = &member;
  return ErrorCode::kNone;
}

ErrorCode ConsumerGroup::find_for(const ConsumerBeat& beat, Member*& found) {
  if (beat.instance_id) {
    const auto instance = instances_.find(*beat.instance_id);
    if (instance == instances_.end()) return beat.epoch == 0 ? join(beat, found) : ErrorCode::kUnknownMemberId;
    const auto holder = members_.find(instance->second);
    if (holder->first != beat.member_id) {
      if (beat.epoch != 0) return ErrorCode::kFencedInstanceId;
      if (holder->second.saved.epoch != kLeftForNow) return ErrorCode::kUnreleasedInstanceId;
      if (members_.contains(beat.member_id)) return ErrorCode::kFencedInstanceId;
      // It is back: what it had waits for it, and nobody else notices.
      removed_.push_back(holder->first);
      auto node = members_.extract(holder);
      node.key() = beat.member_id;
      Member& member = node.mapped();
      member.saved.id = beat.member_id;
      for (auto& [id, name] : holders_) {
        if (name == instance->second) name = beat.member_id;
      }
      members_.insert(std::move(node));
      instance->second = beat.member_id;
    }
    Member& member = members_.find(beat.member_id)->second;
    if (member.saved.epoch == kLeftForNow && beat.epoch == 0) {
      member.saved.epoch = 0;
      member.saved.previous_epoch = 0;
      member.saved.state = static_cast<uint8_t>(MemberState::kUnreleased);
      member.is_changed = true;
      found = &member;
      return ErrorCode::kNone;
    }
    found = &member;
    return check_epoch(member, beat);
  }
  const auto at = members_.find(beat.member_id);
  if (at == members_.end()) return beat.epoch == 0 ? join(beat, found) : ErrorCode::kUnknownMemberId;
  if (!at->second.saved.instance_id.empty()) return ErrorCode::kUnknownMemberId;
  found = &at->second;
  return check_epoch(at->second, beat);
}

// All members together are one record of the log, if it comes to that.
bool ConsumerGroup::has_room(const ConsumerBeat& beat) const {
  if (!beat.topics && !beat.regex) return true;
  const auto instance = beat.instance_id ? instances_.find(*beat.instance_id) : instances_.end();
  const auto at = members_.find(instance == instances_.end() ? beat.member_id : instance->second);
  const int64_t before = at == members_.end() ? 0 : bytes_of(at->second.saved);
  const int64_t wanted = bytes_of(beat.topics.value_or(std::vector<std::string>{}), beat.regex.value_or(""));
  return subscription_bytes_ - before + wanted <= host_.options().metadata_bytes_max;
}

// What a heartbeat leaves out is as it was. True: the subscription has changed.
bool ConsumerGroup::update(Member& member, const ConsumerBeat& beat) {
  bool is_changed = false;
  bool wants_else = false;
  subscription_bytes_ -= bytes_of(member.saved);
  const auto set = [&](auto& field, const auto& value, bool counts) {
    if (field == value) return;
    field = value;
    is_changed = true;
    wants_else |= counts;
  };
  if (beat.topics) {
    std::vector<std::string> sorted = *beat.topics;
    std::ranges::sort(sorted);
    const auto rest = std::ranges::unique(sorted);
    sorted.erase(rest.begin(), rest.end());
    set(member.saved.topics, sorted, true);
  }
  if (beat.regex) set(member.saved.topic_regex, *beat.regex, true);
  if (beat.assignor) set(member.saved.assignor, *beat.assignor, true);
  if (beat.rack) set(member.saved.rack, *beat.rack, true);
  if (beat.rebalance_timeout_ms >= 0) set(member.saved.rebalance_timeout_ms, beat.rebalance_timeout_ms, false);
  subscription_bytes_ += bytes_of(member.saved);
  set(member.saved.client_id, beat.client_id, false);
  set(member.saved.client_host, beat.client_host, false);
  member.is_changed |= is_changed;
  return wants_else;
}

void ConsumerGroup::beat(const ConsumerBeat& beat, Reply<BeatResult> reply) {
  if (beat.epoch == kLeft || beat.epoch == kLeftForNow) return leave(beat, std::move(reply));
  Member* found = nullptr;
  const int32_t epoch_before = head_.epoch;
  if (!has_room(beat)) return reply(refused(ErrorCode::kGroupMaxSizeReached));
  if (const ErrorCode error = find_for(beat, found); error != ErrorCode::kNone) return reply(refused(error));
  Member& member = *found;
  if (update(member, beat) && head_.epoch == epoch_before) bump();
  if (std::exchange(has_new_topics_, false) && have_topics_changed() && head_.epoch == epoch_before) bump();
  if (head_.epoch > head_.target_epoch) make_target();
  const std::vector<TopicPartitions> owned_before = member.saved.owned;
  reconcile(member, beat.owned);
  const int64_t now_ms = host_.now_ms();
  member.expires_ms = now_ms + host_.options().consumer_session_timeout_ms;
  wake_at(member.expires_ms);
  if (member.state() != MemberState::kUnrevoked) {
    member.revoke_until_ms = kNever;
  } else if (member.revoke_until_ms == kNever) {
    member.revoke_until_ms = now_ms + member.saved.rebalance_timeout_ms;
    wake_at(member.revoke_until_ms);
  }
  BeatResult result{.member_id = member.saved.id,
                    .epoch = member.saved.epoch,
                    .heartbeat_interval_ms = host_.options().consumer_heartbeat_interval_ms};
  // Told again to whoever sends everything, or has something else: it may have missed what it was told.
  const bool is_full = beat.rebalance_timeout_ms >= 0 && (beat.topics || beat.regex) && beat.owned;
  const bool has_else = beat.owned && set_of(*beat.owned) != set_of(member.saved.owned);
  if (beat.epoch == 0 || is_full || has_else || member.saved.owned != owned_before)
    result.assignment = member.saved.owned;
  const bool is_changed = head_.epoch != epoch_before || !removed_.empty() ||
                          std::ranges::any_of(members_, [](const auto& row) { return row.second.is_changed; });
  if (!is_changed) return reply(std::move(result));
  save([reply = std::move(reply), result = std::move(result)](ErrorCode error) mutable {
    reply(error == ErrorCode::kNone ? std::move(result) : refused(error));
  });
}

// ---- Going.

void ConsumerGroup::drop(Members::iterator at) {
  const std::string id = at->first;
  std::erase_if(holders_, [&](const auto& row) { return row.second == id; });
  if (!at->second.saved.instance_id.empty()) instances_.erase(at->second.saved.instance_id);
  removed_.push_back(id);
  subscription_bytes_ -= bytes_of(at->second.saved);
  members_.erase(at);
  bump();
}

void ConsumerGroup::leave(const ConsumerBeat& beat, Reply<BeatResult> reply) {
  auto at = members_.find(beat.member_id);
  if (beat.instance_id) {
    const auto instance = instances_.find(*beat.instance_id);
    if (instance == instances_.end()) return reply(refused(ErrorCode::kUnknownMemberId));
    if (instance->second != beat.member_id) return reply(refused(ErrorCode::kFencedInstanceId));
  }
  if (at == members_.end()) return reply(refused(ErrorCode::kUnknownMemberId));
  if (beat.epoch == kLeftForNow) {
    Member& member = at->second;
    // What it was giving up it has given up.
    set_owned(member, member.saved.owned, {});
    member.saved.epoch = kLeftForNow;
    member.revoke_until_ms = kNever;
    member.expires_ms = host_.now_ms() + host_.options().consumer_session_timeout_ms;
    member.is_changed = true;
  } else {
    drop(at);
    if (members_.empty()) head_.target_epoch = head_.epoch;
  }
  BeatResult result{.member_id = beat.member_id, .epoch = beat.epoch};
  save([reply = std::move(reply), result = std::move(result)](ErrorCode error) mutable {
    reply(error == ErrorCode::kNone ? std::move(result) : refused(error));
  });
}

ErrorCode ConsumerGroup::remove(const LeavingMember& who) {
  std::string id = who.member_id;
  if (who.instance_id) {
    const auto instance = instances_.find(*who.instance_id);
    if (instance == instances_.end()) return ErrorCode::kUnknownMemberId;
    if (!id.empty() && id != instance->second) return ErrorCode::kFencedInstanceId;
    id = instance->second;
  }
  const auto at = members_.find(id);
  if (at == members_.end()) return ErrorCode::kUnknownMemberId;
  drop(at);
  save([](ErrorCode) {});
  return ErrorCode::kNone;
}

void ConsumerGroup::look() {
  const int64_t now_ms = host_.now_ms();
  wake_ms_ = kNever;
  bool has_dropped = false;
  for (auto at = members_.begin(); at != members_.end();) {
    const auto here = at++;
    if (here->second.expires_ms <= now_ms || here->second.revoke_until_ms <= now_ms) {
      drop(here);
      has_dropped = true;
      continue;
    }
    wake_at(std::min(here->second.expires_ms, here->second.revoke_until_ms));
  }
  if (!has_dropped) return;
  if (members_.empty()) head_.target_epoch = head_.epoch;
  save([](ErrorCode) {});
}

void ConsumerGroup::topics_changed() { has_new_topics_ = true; }

// ---- Assigning.

std::vector<TopicId> ConsumerGroup::topics_of(const Member& member, Subscribed& all) const {
  const auto add = [&](const std::string& name, std::set<TopicId>& to) {
    const std::optional<TopicFacts> facts = host_.find_topic(name);
    if (!facts) return;
    to.insert(facts->id);
    all.counts[facts->id] = facts->partition_count;
  };
  std::set<TopicId> ids;
  for (const std::string& name : member.saved.topics) add(name, ids);
  if (!member.saved.topic_regex.empty()) {
    const auto [known, is_new] = all.by_regex.try_emplace(member.saved.topic_regex);
    const auto matching = is_new ? host_.match_topics(member.saved.topic_regex) : std::nullopt;
    for (const std::string& name : matching.value_or(std::vector<std::string>{})) add(name, known->second);
    ids.insert(known->second.begin(), known->second.end());
  }
  return {ids.begin(), ids.end()};
}

// Since the target was made. After a restart that target has to tell.
bool ConsumerGroup::have_topics_changed() {
  Subscribed all;
  for (const auto& [id, each] : members_) (void)topics_of(each, all);
  std::map<TopicId, int32_t>& counts = all.counts;
  if (counts_) return counts != *counts_;
  std::map<TopicId, int32_t> targets;
  for (const auto& [id, each] : members_) {
    for (const TopicPartitions& row : each.saved.target) {
      targets[row.topic] += static_cast<int32_t>(row.partitions.size());
    }
  }
  std::erase_if(counts, [](const auto& row) { return row.second == 0; });
  counts_ = targets;
  return counts != targets;
}

// What most members wish for; of equals, the first by name.
std::string ConsumerGroup::assignor() const {
  std::map<std::string, size_t> votes;
  for (const auto& [id, each] : members_) {
    if (!each.saved.assignor.empty()) ++votes[each.saved.assignor];
  }
  const auto best = std::ranges::max_element(votes, {}, [](const auto& row) { return row.second; });
  return best == votes.end() ? std::string(kUniformAssignor) : best->first;
}

void ConsumerGroup::make_target() {
  Subscribed all;
  std::vector<AssignedMember> members;
  for (const auto& [id, each] : members_) {
    members.push_back({.id = id,
                       .instance_id = each.saved.instance_id,
                       .topics = topics_of(each, all),
                       .present = each.saved.target});
  }
  head_.protocol = assignor();
  std::vector<std::vector<TopicPartitions>> targets = assign(head_.protocol, members, all.counts);
  counts_ = std::move(all.counts);
  size_t i = 0;
  for (auto& [id, each] : members_) {
    if (each.saved.target != targets[i]) {
      each.saved.target = std::move(targets[i]);
      each.is_changed = true;
    }
    ++i;
  }
  head_.target_epoch = head_.epoch;
  ++rebalances_;
}

void ConsumerGroup::set_owned(Member& member, std::vector<TopicPartitions> owned,
                              std::vector<TopicPartitions> revoking) {
  for (const auto* rows : {&member.saved.owned, &member.saved.revoking}) {
    for (const PartitionId& id : set_of(*rows)) holders_.erase(id);
  }
  for (const auto* rows : {&owned, &revoking}) {
    for (const PartitionId& id : set_of(*rows)) holders_[id] = member.saved.id;
  }
  member.is_changed |= member.saved.owned != owned || member.saved.revoking != revoking;
  member.saved.owned = std::move(owned);
  member.saved.revoking = std::move(revoking);
}

void ConsumerGroup::reconcile(Member& member, const std::optional<std::vector<TopicPartitions>>& reported) {
  switch (member.state()) {
    case MemberState::kStable:
      if (member.saved.epoch != head_.target_epoch) take_next(member, reported);
      return;
    case MemberState::kUnrevoked: {
      // It has given up what it was asked to once it says that it has nothing of that.
      if (!reported) return;
      const PartitionSet has = set_of(*reported);
      const PartitionSet revoking = set_of(member.saved.revoking);
      if (std::ranges::any_of(revoking, [&](const PartitionId& id) { return has.contains(id); })) return;
      return take_next(member, reported);
    }
    case MemberState::kUnreleased:
      return take_next(member, reported);
  }
}

// From what the member has to the next step towards its target.
void ConsumerGroup::take_next(Member& member, const std::optional<std::vector<TopicPartitions>>& reported) {
  const PartitionSet target = set_of(member.saved.target);
  const PartitionSet owned = set_of(member.saved.owned);
  PartitionSet keeps;
  PartitionSet revoking;
  for (const PartitionId& id : owned) (target.contains(id) ? keeps : revoking).insert(id);
  if (reported) {
    // What it does not have it need not give up.
    const PartitionSet has = set_of(*reported);
    std::erase_if(revoking, [&](const PartitionId& id) { return !has.contains(id); });
  }
  const auto set_state = [&](MemberState state, int32_t epoch) {
    if (member.saved.epoch != epoch) {
      member.saved.previous_epoch = member.saved.epoch;
      member.saved.epoch = epoch;
      member.is_changed = true;
    }
    member.is_changed |= member.state() != state;
    member.saved.state = static_cast<uint8_t>(state);
  };
  if (!revoking.empty() && member.saved.epoch > 0) {
    set_owned(member, rows_of(keeps), rows_of(revoking));
    return set_state(MemberState::kUnrevoked, member.saved.epoch);
  }
  set_owned(member, rows_of(keeps), {});
  bool has_to_wait = false;
  for (const PartitionId& id : target) {
    const auto holder = holders_.find(id);
    if (holder == holders_.end()) {
      keeps.insert(id);
    } else if (holder->second != member.saved.id) {
      has_to_wait = true;
    }
  }
  set_owned(member, rows_of(keeps), {});
  set_state(has_to_wait ? MemberState::kUnreleased : MemberState::kStable, head_.target_epoch);
}

void ConsumerGroup::save(GroupHost::Saved saved) {
  topic::SaveGroup save{.head = head_, .removed = std::exchange(removed_, {})};
  for (auto& [id, each] : members_) {
    if (!each.is_changed) continue;
    save.members.push_back(each.saved);
    each.is_changed = false;
  }
  // The first one replaces whatever was there, of a classic group too.
  save.is_whole = !was_saved_;
  was_saved_ = true;
  host_.save(serial_, std::move(save), [this, saved = std::move(saved)](ErrorCode error) mutable {
    if (error != ErrorCode::kNone) {
      // What is in memory is ahead of what was saved: the next save has everything.
      was_saved_ = false;
      for (auto& [id, each] : members_) each.is_changed = true;
    }
    saved(error);
  });
}

// ---- Questions.

ErrorCode ConsumerGroup::check_commit(const CommitCheck& check) const {
  if (check.generation < 0 && (members_.empty() || check.is_transactional)) return ErrorCode::kNone;
  const auto at = members_.find(check.member_id);
  if (at == members_.end()) return ErrorCode::kUnknownMemberId;
  if (!check.is_transactional && check.version < 9) return ErrorCode::kUnsupportedVersion;
  if (check.generation == at->second.saved.epoch) return ErrorCode::kNone;
  return check.is_transactional ? ErrorCode::kIllegalGeneration : ErrorCode::kStaleMemberEpoch;
}

ErrorCode ConsumerGroup::check_fetch(const std::string& member_id, int32_t epoch) const {
  if (member_id.empty() && epoch < 0) return ErrorCode::kNone;
  const auto at = members_.find(member_id);
  if (at == members_.end()) return ErrorCode::kUnknownMemberId;
  return at->second.saved.epoch == epoch ? ErrorCode::kNone : ErrorCode::kStaleMemberEpoch;
}

DescribedGroup ConsumerGroup::describe() const {
  DescribedGroup group{.head = head_, .state = std::string(state_name())};
  for (const auto& [id, each] : members_) group.members.push_back(each.saved);
  return group;
}

bool ConsumerGroup::is_subscribed(std::string_view topic) const {
  return std::ranges::any_of(members_, [&](const auto& row) {
    if (std::ranges::find(row.second.saved.topics, topic) != row.second.saved.topics.end()) return true;
    if (row.second.saved.topic_regex.empty()) return false;
    const auto matching = host_.match_topics(row.second.saved.topic_regex);
    return matching && std::ranges::find(*matching, topic) != matching->end();
  });
}

}  // namespace keelson::kafka
