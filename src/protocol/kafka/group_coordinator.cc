#include "protocol/kafka/group_coordinator.h"

#include <algorithm>

#include "protocol/kafka/assignors.h"
#include "protocol/kafka/topic_pattern.h"

namespace keelson::kafka {

namespace {

JoinResult join_refused(ErrorCode error, const std::string& member_id) {
  return {.error = error, .member_id = member_id};
}

BeatResult beat_refused(ErrorCode error, std::string message = {}) {
  return {.error = error, .message = message.empty() ? std::string(error_text(error)) : std::move(message)};
}

// What is wrong with a heartbeat's fields, in words; empty: nothing.
std::string_view fault_of(const ConsumerBeat& beat) {
  if (beat.group.empty()) return "GroupId must not be empty.";
  if (beat.member_id.empty()) return "MemberId must not be empty.";
  if (beat.instance_id && beat.instance_id->empty()) return "InstanceId must not be empty.";
  if (beat.rack && beat.rack->empty()) return "RackId must not be empty.";
  if (beat.epoch < ConsumerGroup::kLeftForNow) return "MemberEpoch is not valid.";
  if (beat.epoch == ConsumerGroup::kLeftForNow && !beat.instance_id) {
    return "InstanceId must be given with member epoch -2.";
  }
  if (beat.epoch == 0) {
    if (beat.rebalance_timeout_ms < 0) return "RebalanceTimeoutMs must be given in the first request.";
    if (!beat.owned || !beat.owned->empty()) return "TopicPartitions must be empty when (re-)joining.";
    if (!beat.topics && !beat.regex)
      return "SubscribedTopicNames or SubscribedTopicRegex must be given in the first request.";
  }
  size_t bytes = beat.regex ? beat.regex->size() : 0;
  if (beat.topics) {
    for (const std::string& name : *beat.topics) bytes += name.size() + 1;
  }
  if (bytes > kSubscriptionBytesMax) return "The subscription is too large.";
  return {};
}

}  // namespace

GroupCoordinator::GroupCoordinator(GroupHost& outside, uint64_t hash_seed)
    : outside_(outside), groups_(0, SeededStringHash{hash_seed}) {}
GroupCoordinator::~GroupCoordinator() = default;

// ---- The table of groups.

GroupCoordinator::Entry* GroupCoordinator::find(std::string_view name) const {
  const auto at = groups_.find(name);
  return at == groups_.end() ? nullptr : at->second.get();
}

GroupCoordinator::Entry& GroupCoordinator::make(const std::string& name) {
  std::unique_ptr<Entry>& entry = groups_[name];
  entry = std::make_unique<Entry>();
  entry->serial = ++last_serial_;
  by_serial_[entry->serial] = entry.get();
  return *entry;
}

void GroupCoordinator::remove(Entry& entry) {
  rebalances_gone_ += entry.rebalances();
  wakes_.erase({entry.wake_ms, entry.serial});
  by_serial_.erase(entry.serial);
  const std::string name = entry.name();
  groups_.erase(name);
}

void GroupCoordinator::settle(uint64_t serial) {
  const auto at = by_serial_.find(serial);
  if (at == by_serial_.end()) return;
  Entry& entry = *at->second;
  if (entry.classic ? entry.classic->is_nothing() : entry.consumer->is_nothing()) return remove(entry);
  const int64_t wake_ms = entry.classic ? entry.classic->wake_ms() : entry.consumer->wake_ms();
  if (wake_ms == entry.wake_ms) return;
  wakes_.erase({entry.wake_ms, entry.serial});
  if (wake_ms != kNever) wakes_.insert({wake_ms, entry.serial});
  entry.wake_ms = wake_ms;
}

void GroupCoordinator::save(uint64_t serial, topic::SaveGroup what, Saved saved) {
  outside_.save(serial, std::move(what), [this, serial, saved = std::move(saved)](ErrorCode error) mutable {
    if (!by_serial_.contains(serial)) return;
    saved(error);
    settle(serial);
  });
}

void GroupCoordinator::load(const topic::GroupHead& head, std::vector<topic::GroupMember> members) {
  if (head.type != topic::GroupType::kClassic && head.type != topic::GroupType::kConsumer) return;
  Entry& entry = make(head.name);
  if (head.type == topic::GroupType::kClassic) {
    entry.classic = std::make_unique<ClassicGroup>(host(), entry.serial, head, std::move(members));
  } else {
    entry.consumer = std::make_unique<ConsumerGroup>(host(), entry.serial, head, std::move(members));
  }
  settle(entry.serial);
}

// ---- The classic protocol.

ErrorCode GroupCoordinator::entry_for_join(const JoinRequest& request, Entry*& found) {
  const GroupOptions& limits = options();
  if (request.group.empty()) return ErrorCode::kInvalidGroupId;
  if (request.session_timeout_ms < limits.session_timeout_ms_min ||
      request.session_timeout_ms > limits.session_timeout_ms_max) {
    return ErrorCode::kInvalidSessionTimeout;
  }
  found = find(request.group);
  if (found == nullptr) {
    if (!request.member_id.empty()) return ErrorCode::kUnknownMemberId;
    if (request.protocol_type.empty() || request.protocols.empty()) return ErrorCode::kInconsistentGroupProtocol;
    if (groups_.size() >= kCoordinatorGroupsMax) return ErrorCode::kGroupMaxSizeReached;
    found = &make(request.group);
    found->classic = std::make_unique<ClassicGroup>(host(), found->serial, request.group);
    return ErrorCode::kNone;
  }
  if (found->consumer == nullptr) return ErrorCode::kNone;
  if (!found->consumer->is_empty()) return ErrorCode::kInconsistentGroupProtocol;
  const topic::GroupHead head{.name = request.group, .epoch = found->consumer->epoch()};
  remove(*found);
  found = &make(request.group);
  found->classic = std::make_unique<ClassicGroup>(host(), found->serial, head, std::vector<topic::GroupMember>{});
  return ErrorCode::kNone;
}

void GroupCoordinator::join(JoinRequest request, Reply<JoinResult> reply) {
  // Version 0 has no time-out of its own for rebalances.
  if (request.rebalance_timeout_ms < 0) request.rebalance_timeout_ms = request.session_timeout_ms;
  Entry* found = nullptr;
  if (const ErrorCode error = entry_for_join(request, found); error != ErrorCode::kNone) {
    return reply(join_refused(error, request.member_id));
  }
  const uint64_t serial = found->serial;
  found->classic->join(std::move(request), std::move(reply));
  settle(serial);
}

void GroupCoordinator::sync(SyncRequest request, Reply<SyncResult> reply) {
  if (request.group.empty()) return reply({.error = ErrorCode::kInvalidGroupId});
  Entry* found = find(request.group);
  if (found == nullptr || found->classic == nullptr) return reply({.error = ErrorCode::kUnknownMemberId});
  const uint64_t serial = found->serial;
  found->classic->sync(std::move(request), std::move(reply));
  settle(serial);
}

ErrorCode GroupCoordinator::heartbeat(const HeartbeatOf& beat) {
  if (beat.group.empty()) return ErrorCode::kInvalidGroupId;
  Entry* found = find(beat.group);
  if (found == nullptr || found->classic == nullptr) return ErrorCode::kUnknownMemberId;
  const ErrorCode error = found->classic->heartbeat(beat);
  settle(found->serial);
  return error;
}

LeaveResult GroupCoordinator::leave(const LeaveOf& leave) {
  if (leave.group.empty()) return {.error = ErrorCode::kInvalidGroupId};
  LeaveResult result;
  for (const LeavingMember& each : leave.members) {
    Entry* found = find(leave.group);
    if (found == nullptr) {
      result.members.push_back(ErrorCode::kUnknownMemberId);
      continue;
    }
    result.members.push_back(found->classic ? found->classic->leave(each) : found->consumer->remove(each));
    settle(found->serial);
  }
  return result;
}

// ---- The consumer protocol.

ErrorCode GroupCoordinator::entry_for_beat(const ConsumerBeat& beat, Entry*& found, std::string& message) {
  found = find(beat.group);
  if (found != nullptr && found->consumer != nullptr) return ErrorCode::kNone;
  if (found != nullptr && (!found->is_empty() || beat.epoch != 0)) {
    message = "Group " + beat.group + " is not a consumer group.";
    return ErrorCode::kGroupIdNotFound;
  }
  if (beat.epoch != 0) {
    message = "Group " + beat.group + " not found.";
    return ErrorCode::kGroupIdNotFound;
  }
  int32_t epoch = 0;
  if (found != nullptr) {
    epoch = found->classic->generation();
    remove(*found);
  } else if (groups_.size() >= kCoordinatorGroupsMax) {
    return ErrorCode::kGroupMaxSizeReached;
  }
  found = &make(beat.group);
  found->consumer = std::make_unique<ConsumerGroup>(host(), found->serial, beat.group, epoch);
  return ErrorCode::kNone;
}

void GroupCoordinator::beat(ConsumerBeat beat, Reply<BeatResult> reply) {
  if (beat.makes_id) beat.member_id = fresh_id();
  if (const std::string_view fault = fault_of(beat); !fault.empty()) {
    return reply(beat_refused(ErrorCode::kInvalidRequest, std::string(fault)));
  }
  if (beat.assignor && !beat.assignor->empty() && !is_assignor(*beat.assignor)) {
    return reply(
        beat_refused(ErrorCode::kUnsupportedAssignor,
                     "ServerAssignor " + *beat.assignor + " is not supported. Supported assignors: uniform, range."));
  }
  if (beat.regex && !beat.regex->empty() && !TopicPattern::parse(*beat.regex)) {
    return reply(beat_refused(ErrorCode::kInvalidRegularExpression,
                              "SubscribedTopicRegex " + *beat.regex + " is not a valid regular expression."));
  }
  Entry* found = nullptr;
  std::string message;
  if (const ErrorCode error = entry_for_beat(beat, found, message); error != ErrorCode::kNone) {
    return reply(beat_refused(error, std::move(message)));
  }
  const uint64_t serial = found->serial;
  found->consumer->beat(beat, std::move(reply));
  settle(serial);
}

// ---- Offsets and administrators.

ErrorCode GroupCoordinator::check_commit(const CommitCheck& check) {
  Entry* found = find(check.group);
  if (found == nullptr) {
    // Somebody who is no member may commit; a member of what is not there may not.
    return check.generation < 0 ? ErrorCode::kNone : ErrorCode::kIllegalGeneration;
  }
  const ErrorCode error = found->classic ? found->classic->check_commit(check) : found->consumer->check_commit(check);
  settle(found->serial);
  return error;
}

ErrorCode GroupCoordinator::check_fetch(const std::string& group, const std::string& member_id, int32_t epoch) {
  const Entry* found = find(group);
  if (found == nullptr || found->consumer == nullptr) return ErrorCode::kNone;
  return found->consumer->check_fetch(member_id, epoch);
}

DescribedGroup GroupCoordinator::describe(const std::string& group, topic::GroupType type) {
  const Entry* found = find(group);
  if (found == nullptr) {
    return {.error = ErrorCode::kGroupIdNotFound, .message = "Group " + group + " not found.", .head = {.name = group}};
  }
  if (type == topic::GroupType::kClassic && found->classic) return found->classic->describe();
  if (type == topic::GroupType::kConsumer && found->consumer) return found->consumer->describe();
  const std::string_view what = type == topic::GroupType::kClassic ? "classic" : "consumer";
  return {.error = ErrorCode::kGroupIdNotFound,
          .message = "Group " + group + " is not a " + std::string(what) + " group.",
          .head = {.name = group, .type = found->classic ? topic::GroupType::kClassic : topic::GroupType::kConsumer}};
}

std::vector<ListedGroup> GroupCoordinator::list() const {
  std::vector<ListedGroup> rows;
  rows.reserve(groups_.size());
  for (const auto& [name, entry] : groups_) {
    rows.push_back({.name = name,
                    .type = entry->classic ? topic::GroupType::kClassic : topic::GroupType::kConsumer,
                    .state = std::string(entry->classic ? entry->classic->state_name() : entry->consumer->state_name()),
                    .protocol_type = entry->classic ? entry->classic->protocol_type() : "consumer",
                    .member_count = entry->classic ? entry->classic->member_count() : entry->consumer->member_count(),
                    .epoch = entry->classic ? entry->classic->generation() : entry->consumer->epoch()});
  }
  std::ranges::sort(rows, {}, &ListedGroup::name);
  return rows;
}

bool GroupCoordinator::is_subscribed(const std::string& group, std::string_view topic) const {
  const Entry* found = find(group);
  if (found == nullptr) return false;
  return found->classic ? found->classic->is_subscribed(topic) : found->consumer->is_subscribed(topic);
}

ErrorCode GroupCoordinator::forget(const std::string& group) {
  Entry* found = find(group);
  if (found == nullptr) return ErrorCode::kNone;
  if (!found->is_empty()) return ErrorCode::kNonEmptyGroup;
  remove(*found);
  return ErrorCode::kNone;
}

void GroupCoordinator::topics_changed() {
  for (auto& [name, entry] : groups_) {
    if (entry->consumer) entry->consumer->topics_changed();
  }
}

void GroupCoordinator::look() {
  const int64_t now_ms = outside_.now_ms();
  // Each once: a group that asks for the present again gets its turn after everybody else on this reactor.
  std::vector<uint64_t> due;
  for (auto at = wakes_.begin(); at != wakes_.end() && at->first <= now_ms; ++at) due.push_back(at->second);
  for (const uint64_t serial : due) {
    const auto found = by_serial_.find(serial);
    if (found == by_serial_.end()) continue;
    Entry& entry = *found->second;
    wakes_.erase({entry.wake_ms, serial});
    entry.wake_ms = kNever;
    entry.classic ? entry.classic->look() : entry.consumer->look();
    settle(serial);
  }
}

void GroupCoordinator::refuse_all(ErrorCode error) {
  for (auto& [name, entry] : groups_) {
    if (entry->classic) entry->classic->refuse_all(error);
  }
}

GroupCoordinator::Figures GroupCoordinator::figures() const {
  Figures figures{.groups = groups_.size(), .rebalances = rebalances_gone_};
  for (const auto& [name, entry] : groups_) {
    figures.members += entry->classic ? entry->classic->member_count() : entry->consumer->member_count();
    figures.rebalances += entry->rebalances();
  }
  return figures;
}

}  // namespace keelson::kafka
