#include "protocol/kafka/classic_group.h"

#include <algorithm>
#include <utility>

#include "protocol/kafka/consumer_protocol.h"

namespace keelson::kafka {

namespace {

int64_t bytes_of(const topic::Pairs& protocols) {
  int64_t sum = 0;
  for (const auto& [name, metadata] : protocols) sum += static_cast<int64_t>(name.size() + metadata.size());
  return sum;
}

bool has_protocol(const topic::Pairs& protocols, std::string_view name) {
  return std::ranges::any_of(protocols, [&](const auto& row) { return row.first == name; });
}

std::optional<std::string> instance_of(const topic::GroupMember& member) {
  if (member.instance_id.empty()) return std::nullopt;
  return member.instance_id;
}

JoinResult refused(ErrorCode error, std::string member_id) {
  return {.error = error, .member_id = std::move(member_id)};
}

}  // namespace

ClassicGroup::ClassicGroup(GroupHost& host, uint64_t serial, std::string name) : host_(host), serial_(serial) {
  head_.name = std::move(name);
  head_.type = topic::GroupType::kClassic;
}

ClassicGroup::ClassicGroup(GroupHost& host, uint64_t serial, const topic::GroupHead& head,
                           std::vector<topic::GroupMember> members)
    : host_(host), serial_(serial), head_(head), was_saved_(true) {
  head_.type = topic::GroupType::kClassic;
  for (topic::GroupMember& each : members) {
    if (!each.instance_id.empty()) instances_[each.instance_id] = each.id;
    metadata_bytes_ += bytes_of(each.protocols);
    Member& member = members_[each.id];
    member.saved = std::move(each);
    keep_alive(member);
  }
  if (!members_.empty()) state_ = State::kStable;
}

ClassicGroup::~ClassicGroup() = default;

std::string_view ClassicGroup::state_name() const {
  switch (state_) {
    case State::kEmpty:
      return "Empty";
    case State::kPreparing:
      return "PreparingRebalance";
    case State::kCompleting:
      return "CompletingRebalance";
    case State::kStable:
      return "Stable";
  }
  return "Unknown";
}

void ClassicGroup::wake_at(int64_t at_ms) { wake_ms_ = std::min(wake_ms_, at_ms); }

void ClassicGroup::keep_alive(Member& member) {
  member.expires_ms = host_.now_ms() + member.saved.session_timeout_ms;
  wake_at(member.expires_ms);
}

ErrorCode ClassicGroup::check_member(const std::string& id, const std::optional<std::string>& instance) const {
  if (instance) {
    const auto at = instances_.find(*instance);
    if (at == instances_.end()) return ErrorCode::kUnknownMemberId;
    if (at->second != id) return ErrorCode::kFencedInstanceId;
  }
  return members_.contains(id) ? ErrorCode::kNone : ErrorCode::kUnknownMemberId;
}

// One of the protocols is everybody's.
bool ClassicGroup::supports(const std::string& type, const topic::Pairs& protocols) const {
  if (type.empty() || protocols.empty()) return false;
  if (members_.empty()) return true;
  if (type != head_.protocol_type) return false;
  return std::ranges::any_of(protocols, [&](const auto& row) {
    return std::ranges::all_of(members_,
                               [&](const auto& each) { return has_protocol(each.second.saved.protocols, row.first); });
  });
}

bool ClassicGroup::has_room(const JoinRequest& request) const {
  // Who comes again takes the place of what it was; a static member under a new id too.
  const auto instance = request.instance_id ? instances_.find(*request.instance_id) : instances_.end();
  const auto present = members_.find(instance == instances_.end() ? request.member_id : instance->second);
  const int64_t before = present == members_.end() ? 0 : bytes_of(present->second.saved.protocols);
  if (metadata_bytes_ - before + bytes_of(request.protocols) > host_.options().metadata_bytes_max) return false;
  if (present != members_.end()) return true;
  const auto members_max = static_cast<size_t>(host_.options().members_max);
  if (pending_.contains(request.member_id)) return members_.size() < members_max;
  return members_.size() + pending_.size() < members_max;
}

// ---- Joining.

void ClassicGroup::join(JoinRequest request, Reply<JoinResult> reply) {
  if (!has_room(request)) return reply(refused(ErrorCode::kGroupMaxSizeReached, request.member_id));
  if (!supports(request.protocol_type, request.protocols)) {
    return reply(refused(ErrorCode::kInconsistentGroupProtocol, request.member_id));
  }
  request.member_id.empty() ? join_new(std::move(request), std::move(reply))
                            : join_known(std::move(request), std::move(reply));
}

void ClassicGroup::join_new(JoinRequest request, Reply<JoinResult> reply) {
  const std::string id = (request.instance_id ? *request.instance_id : request.client_id) + "-" + host_.fresh_id();
  if (request.instance_id) {
    if (instances_.contains(*request.instance_id)) {
      request.member_id = id;
      return replace_static(std::move(request), std::move(reply));
    }
    return add_member(id, std::move(request), std::move(reply));
  }
  if (request.needs_known_id) {
    // So that a client that gives up and asks anew is not two members (KIP-394).
    const int64_t until_ms = host_.now_ms() + request.session_timeout_ms;
    pending_[id] = until_ms;
    wake_at(until_ms);
    return reply(refused(ErrorCode::kMemberIdRequired, id));
  }
  add_member(id, std::move(request), std::move(reply));
}

void ClassicGroup::join_known(JoinRequest request, Reply<JoinResult> reply) {
  if (pending_.contains(request.member_id)) {
    if (request.instance_id) return reply(refused(ErrorCode::kUnknownMemberId, request.member_id));
    const std::string id = request.member_id;
    return add_member(id, std::move(request), std::move(reply));
  }
  if (const ErrorCode error = check_member(request.member_id, request.instance_id); error != ErrorCode::kNone) {
    return reply(refused(error, request.member_id));
  }
  Member& member = members_.find(request.member_id)->second;
  const bool is_same = member.saved.protocols == request.protocols;
  switch (state_) {
    case State::kPreparing:
      update_member(member, std::move(request), std::move(reply));
      return complete_join_if_all();
    case State::kCompleting:
      // It asks again, having missed the answer.
      if (is_same) return reply(joined(member));
      update_member(member, std::move(request), std::move(reply));
      return begin_rebalance();
    case State::kStable:
      // The leader joins again to have partitions assigned anew, others because their subscription has changed.
      if (is_same && member.saved.id != head_.leader) {
        keep_alive(member);
        return reply(joined(member));
      }
      update_member(member, std::move(request), std::move(reply));
      return begin_rebalance();
    case State::kEmpty:
      return reply(refused(ErrorCode::kUnknownMemberId, request.member_id));
  }
}

void ClassicGroup::add_member(std::string id, JoinRequest request, Reply<JoinResult> reply) {
  pending_.erase(id);
  if (members_.empty()) head_.protocol_type = request.protocol_type;
  if (head_.leader.empty()) head_.leader = id;
  if (request.instance_id) instances_[*request.instance_id] = id;
  Member& member = members_[id];
  member.saved.id = std::move(id);
  member.saved.instance_id = request.instance_id.value_or("");
  member.is_new = true;
  update_member(member, std::move(request), std::move(reply));
  member.expires_ms = host_.now_ms() + kNewMemberJoinTimeoutMs;
  wake_at(member.expires_ms);
  came_meanwhile_ = true;
  state_ == State::kPreparing ? complete_join_if_all() : begin_rebalance();
}

void ClassicGroup::update_member(Member& member, JoinRequest request, Reply<JoinResult> reply) {
  metadata_bytes_ += bytes_of(request.protocols) - bytes_of(member.saved.protocols);
  member.saved.client_id = std::move(request.client_id);
  member.saved.client_host = std::move(request.client_host);
  member.saved.session_timeout_ms = request.session_timeout_ms;
  member.saved.rebalance_timeout_ms = request.rebalance_timeout_ms;
  member.saved.protocols = std::move(request.protocols);
  member.can_skip_assignment = request.can_skip_assignment;
  // Its earlier request is on a connection that it has given up.
  if (member.joining) std::exchange(member.joining, {})(refused(ErrorCode::kRebalanceInProgress, member.saved.id));
  member.joining = std::move(reply);
}

// A static member is back under a new id (KIP-345): if nothing changes for the group, it goes on where it was.
void ClassicGroup::replace_static(JoinRequest request, Reply<JoinResult> reply) {
  const std::string old_id = instances_.find(*request.instance_id)->second;
  const std::string id = request.member_id;
  auto node = members_.extract(old_id);
  Member& member = node.mapped();
  if (member.joining) std::exchange(member.joining, {})(refused(ErrorCode::kFencedInstanceId, old_id));
  if (member.syncing) std::exchange(member.syncing, {})({.error = ErrorCode::kFencedInstanceId});
  node.key() = id;
  member.saved.id = id;
  members_.insert(std::move(node));
  instances_[*request.instance_id] = id;
  const std::string old_leader = head_.leader;
  if (head_.leader == old_id) head_.leader = id;
  if (state_ != State::kStable) {
    update_member(member, std::move(request), std::move(reply));
    return state_ == State::kCompleting ? begin_rebalance() : complete_join_if_all();
  }
  update_member(member, std::move(request), std::move(reply));
  if (select_protocol() != head_.protocol) return begin_rebalance();
  keep_alive(member);
  JoinResult result = joined(member);
  // A client that knows version 9 is told that it leads and need not assign; another one must not know.
  result.skip_assignment = member.can_skip_assignment && head_.leader == id;
  if (!result.skip_assignment) result.members.clear();
  if (!member.can_skip_assignment) result.leader = old_leader;
  Reply<JoinResult> answer = std::exchange(member.joining, {});
  host_.save(serial_, whole(), [answer = std::move(answer), result = std::move(result)](ErrorCode error) mutable {
    if (error != ErrorCode::kNone) result = refused(error, result.member_id);
    answer(std::move(result));
  });
  was_saved_ = true;
}

JoinResult ClassicGroup::joined(const Member& member) const {
  JoinResult result{.generation = head_.epoch,
                    .protocol_type = head_.protocol_type,
                    .protocol = head_.protocol,
                    .leader = head_.leader,
                    .member_id = member.saved.id};
  if (member.saved.id != head_.leader) return result;
  for (const auto& [id, each] : members_) {
    const auto row =
        std::ranges::find(each.saved.protocols, head_.protocol, &std::pair<std::string, std::string>::first);
    result.members.push_back({.id = id,
                              .instance_id = instance_of(each.saved),
                              .metadata = row == each.saved.protocols.end() ? std::string() : row->second});
  }
  return result;
}

// ---- A rebalance.

void ClassicGroup::begin_rebalance() {
  const int64_t now_ms = host_.now_ms();
  int64_t timeout_ms = 0;
  for (const auto& [id, each] : members_) timeout_ms = std::max<int64_t>(timeout_ms, each.saved.rebalance_timeout_ms);
  for (auto& [id, each] : members_) {
    if (each.syncing) {
      keep_alive(each);
      std::exchange(each.syncing, {})({.error = ErrorCode::kRebalanceInProgress});
    }
  }
  is_initial_ = state_ == State::kEmpty;
  state_ = State::kPreparing;
  sync_until_ms_ = kNever;
  ++rebalances_;
  if (is_initial_) {
    // Members that start together come into one generation.
    const int64_t delay_ms = host_.options().initial_rebalance_delay_ms;
    initial_left_ms_ = std::max<int64_t>(timeout_ms - delay_ms, 0);
    join_until_ms_ = now_ms + delay_ms;
    came_meanwhile_ = false;
    if (delay_ms == 0) return complete_join();
  } else {
    join_until_ms_ = now_ms + timeout_ms;
  }
  wake_at(join_until_ms_);
  complete_join_if_all();
}

void ClassicGroup::complete_join_if_all() {
  if (state_ != State::kPreparing || is_initial_ || !pending_.empty()) return;
  if (std::ranges::all_of(members_, [](const auto& each) { return static_cast<bool>(each.second.joining); })) {
    complete_join();
  }
}

void ClassicGroup::elect_leader() {
  const auto present = members_.find(head_.leader);
  if (present != members_.end() && present->second.joining) return;
  for (const auto& [id, each] : members_) {
    if (each.joining) {
      head_.leader = id;
      return;
    }
  }
}

void ClassicGroup::complete_join() {
  const int64_t now_ms = host_.now_ms();
  is_initial_ = false;
  for (auto at = members_.begin(); at != members_.end();) {
    auto next = std::next(at);
    if (!at->second.joining && !at->second.is_static()) {
      metadata_bytes_ -= bytes_of(at->second.saved.protocols);
      members_.erase(at);
    }
    at = next;
  }
  const bool has_joined = std::ranges::any_of(members_, [](const auto& each) { return bool(each.second.joining); });
  if (!members_.empty() && !has_joined) {
    // Static members alone are left, which may come back until their sessions end.
    int64_t timeout_ms = 1;
    for (const auto& [id, each] : members_) timeout_ms = std::max<int64_t>(timeout_ms, each.saved.rebalance_timeout_ms);
    join_until_ms_ = now_ms + timeout_ms;
    return wake_at(join_until_ms_);
  }
  join_until_ms_ = kNever;
  ++head_.epoch;
  if (members_.empty()) {
    state_ = State::kEmpty;
    head_.leader.clear();
    head_.protocol.clear();
    return save();
  }
  elect_leader();
  head_.protocol = select_protocol();
  state_ = State::kCompleting;
  is_saving_assignments_ = false;
  int64_t timeout_ms = 0;
  for (auto& [id, each] : members_) {
    timeout_ms = std::max<int64_t>(timeout_ms, each.saved.rebalance_timeout_ms);
    each.has_synced = !each.joining;
    each.is_new = false;
    if (!each.joining) continue;
    keep_alive(each);
    std::exchange(each.joining, {})(joined(each));
  }
  sync_until_ms_ = now_ms + timeout_ms;
  wake_at(sync_until_ms_);
}

// Of the protocols that all support, the one that most members like best; of equals, the first by name.
std::string ClassicGroup::select_protocol() const {
  std::map<std::string, size_t> votes;
  for (const auto& [id, each] : members_) {
    for (const auto& [name, metadata] : each.saved.protocols) {
      const bool is_common = std::ranges::all_of(
          members_, [&](const auto& other) { return has_protocol(other.second.saved.protocols, name); });
      if (!is_common) continue;
      ++votes[name];
      break;
    }
  }
  const auto best = std::ranges::max_element(votes, {}, [](const auto& row) { return row.second; });
  return best == votes.end() ? std::string() : best->first;
}

// ---- Assignments.

void ClassicGroup::sync(SyncRequest request, Reply<SyncResult> reply) {
  ErrorCode error = check_member(request.member_id, request.instance_id);
  if (error == ErrorCode::kNone) {
    if (request.generation != head_.epoch) {
      error = ErrorCode::kIllegalGeneration;
    } else if ((request.protocol_type && *request.protocol_type != head_.protocol_type) ||
               (request.protocol && *request.protocol != head_.protocol)) {
      error = ErrorCode::kInconsistentGroupProtocol;
    } else if (state_ == State::kPreparing) {
      error = ErrorCode::kRebalanceInProgress;
    } else if (state_ == State::kEmpty) {
      error = ErrorCode::kUnknownMemberId;
    }
  }
  if (error != ErrorCode::kNone) return reply({.error = error});
  Member& member = members_.find(request.member_id)->second;
  member.has_synced = true;
  keep_alive(member);
  if (state_ == State::kStable) {
    return reply(
        {.protocol_type = head_.protocol_type, .protocol = head_.protocol, .assignment = member.saved.assignment});
  }
  if (member.syncing) std::exchange(member.syncing, {})({.error = ErrorCode::kRebalanceInProgress});
  member.syncing = std::move(reply);
  if (member.saved.id == head_.leader && !is_saving_assignments_) take_assignments(request);
}

void ClassicGroup::take_assignments(SyncRequest& request) {
  int64_t bytes = metadata_bytes_;
  for (auto& [id, each] : members_) each.saved.assignment.clear();
  for (auto& [id, assignment] : request.assignments) {
    const auto at = members_.find(id);
    if (at == members_.end()) continue;
    bytes += static_cast<int64_t>(assignment.size());
    at->second.saved.assignment = std::move(assignment);
  }
  if (bytes > 2 * host_.options().metadata_bytes_max) {
    return assignments_saved(head_.epoch, ErrorCode::kInvalidCommitOffsetSize);
  }
  is_saving_assignments_ = true;
  was_saved_ = true;
  host_.save(serial_, whole(),
             [this, generation = head_.epoch](ErrorCode error) { assignments_saved(generation, error); });
}

void ClassicGroup::assignments_saved(int32_t generation, ErrorCode error) {
  if (generation != head_.epoch || state_ != State::kCompleting) return;
  is_saving_assignments_ = false;
  if (error == ErrorCode::kNone) state_ = State::kStable;
  wake_at(sync_until_ms_);
  for (auto& [id, each] : members_) {
    if (error != ErrorCode::kNone) each.saved.assignment.clear();
    if (!each.syncing) continue;
    keep_alive(each);
    std::exchange(each.syncing, {})({.error = error,
                                     .protocol_type = head_.protocol_type,
                                     .protocol = head_.protocol,
                                     .assignment = each.saved.assignment});
  }
  if (error != ErrorCode::kNone) begin_rebalance();
}

// ---- Staying and going.

ErrorCode ClassicGroup::heartbeat(const HeartbeatOf& beat) {
  if (const ErrorCode error = check_member(beat.member_id, beat.instance_id); error != ErrorCode::kNone) return error;
  if (beat.generation != head_.epoch) return ErrorCode::kIllegalGeneration;
  if (state_ == State::kEmpty) return ErrorCode::kUnknownMemberId;
  keep_alive(members_.find(beat.member_id)->second);
  return state_ == State::kPreparing ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone;
}

ErrorCode ClassicGroup::leave(const LeavingMember& who) {
  std::string id = who.member_id;
  if (who.instance_id) {
    const auto at = instances_.find(*who.instance_id);
    if (at == instances_.end()) return ErrorCode::kUnknownMemberId;
    if (!id.empty() && at->second != id) return ErrorCode::kFencedInstanceId;
    id = at->second;
  }
  if (pending_.erase(id) != 0) {
    complete_join_if_all();
    return ErrorCode::kNone;
  }
  const auto at = members_.find(id);
  if (at == members_.end()) return ErrorCode::kUnknownMemberId;
  remove_member(at, ErrorCode::kUnknownMemberId);
  return ErrorCode::kNone;
}

void ClassicGroup::remove_member(Members::iterator at, ErrorCode why) {
  auto node = members_.extract(at);
  Member& member = node.mapped();
  metadata_bytes_ -= bytes_of(member.saved.protocols);
  if (member.is_static()) instances_.erase(member.saved.instance_id);
  if (head_.leader == member.saved.id) head_.leader = members_.empty() ? std::string() : members_.begin()->first;
  if (member.joining) member.joining(refused(why, member.saved.id));
  if (member.syncing) member.syncing({.error = why});
  if (state_ == State::kStable || state_ == State::kCompleting) return begin_rebalance();
  complete_join_if_all();
  if (state_ == State::kPreparing && members_.empty() && pending_.empty()) complete_join();
}

void ClassicGroup::look() {
  const int64_t now_ms = host_.now_ms();
  wake_ms_ = kNever;
  std::erase_if(pending_, [&](const auto& row) { return row.second <= now_ms; });
  std::vector<std::string> gone;
  for (const auto& [id, each] : members_) {
    const bool waits = (each.joining && !each.is_new) || each.syncing;
    if (!waits && each.expires_ms <= now_ms) gone.push_back(id);
  }
  const bool waits_for_syncs = (state_ == State::kCompleting && !is_saving_assignments_) || state_ == State::kStable;
  if (waits_for_syncs && sync_until_ms_ <= now_ms) {
    sync_until_ms_ = kNever;
    for (const auto& [id, each] : members_) {
      if (!each.has_synced && std::ranges::find(gone, id) == gone.end()) gone.push_back(id);
    }
  }
  for (const std::string& id : gone) {
    const auto at = members_.find(id);
    if (at != members_.end()) remove_member(at, ErrorCode::kUnknownMemberId);
  }
  if (state_ == State::kPreparing && join_until_ms_ <= now_ms) {
    if (is_initial_ && came_meanwhile_ && initial_left_ms_ > 0) {
      const int64_t delay_ms = std::min<int64_t>(host_.options().initial_rebalance_delay_ms, initial_left_ms_);
      initial_left_ms_ -= delay_ms;
      came_meanwhile_ = false;
      join_until_ms_ = now_ms + delay_ms;
    } else {
      complete_join();
    }
  } else {
    complete_join_if_all();
  }
  if (state_ == State::kPreparing) wake_at(join_until_ms_);
  // While assignments are being saved nobody can be late; assignments_saved() goes on.
  if (!is_saving_assignments_) wake_at(sync_until_ms_);
  for (const auto& [id, until_ms] : pending_) wake_at(until_ms);
  for (const auto& [id, each] : members_) {
    if (!((each.joining && !each.is_new) || each.syncing)) wake_at(std::max(each.expires_ms, now_ms + 1));
  }
}

ErrorCode ClassicGroup::check_commit(const CommitCheck& check) {
  const bool is_by_member = check.generation >= 0 || !check.member_id.empty() || check.instance_id;
  if (!is_by_member) {
    // An administrator's, or of a producer that does not tell its group's generation.
    if (state_ == State::kEmpty || check.is_transactional) return ErrorCode::kNone;
    return ErrorCode::kUnknownMemberId;
  }
  if (check.generation < 0 && state_ == State::kEmpty) return ErrorCode::kNone;
  if (const ErrorCode error = check_member(check.member_id, check.instance_id); error != ErrorCode::kNone) return error;
  if (check.generation != head_.epoch) return ErrorCode::kIllegalGeneration;
  // It has been told of this generation, but not yet what it is to read.
  if (state_ == State::kCompleting) return ErrorCode::kRebalanceInProgress;
  if (!check.is_transactional) keep_alive(members_.find(check.member_id)->second);
  return ErrorCode::kNone;
}

void ClassicGroup::refuse_all(ErrorCode error) {
  for (auto& [id, each] : members_) {
    if (each.joining) std::exchange(each.joining, {})(refused(error, id));
    if (each.syncing) std::exchange(each.syncing, {})({.error = error});
  }
}

topic::SaveGroup ClassicGroup::whole() const {
  topic::SaveGroup save{.head = head_, .is_whole = true};
  for (const auto& [id, each] : members_) save.members.push_back(each.saved);
  return save;
}

void ClassicGroup::save() {
  was_saved_ = true;
  host_.save(serial_, whole(), [](ErrorCode) {});
}

DescribedGroup ClassicGroup::describe() const {
  DescribedGroup group{.head = head_, .state = std::string(state_name())};
  const bool is_decided = state_ == State::kStable;
  for (const auto& [id, each] : members_) {
    topic::GroupMember& member = group.members.emplace_back(each.saved);
    // Of its protocols the chosen one's metadata, once there is one.
    std::erase_if(member.protocols, [&](const auto& row) { return !is_decided || row.first != head_.protocol; });
    if (!is_decided) member.assignment.clear();
  }
  if (!is_decided) group.head.protocol.clear();
  return group;
}

bool ClassicGroup::is_subscribed(std::string_view topic) const {
  if (members_.empty()) return false;
  if (head_.protocol_type != kConsumerProtocolType) return true;
  return std::ranges::any_of(members_, [&](const auto& each) {
    return std::ranges::any_of(each.second.saved.protocols,
                               [&](const auto& row) { return subscription_has(row.second, topic); });
  });
}

}  // namespace keelson::kafka
