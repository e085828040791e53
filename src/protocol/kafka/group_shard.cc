#include "protocol/kafka/group_shard.h"

#include <algorithm>

#include "base/logging.h"
#include "engine/topic/group_commands.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/group_home.h"

namespace keelson::kafka {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Of queries that walk through groups, and of offsets that one record removes.
constexpr uint32_t kPage = 1'000;
// Between attempts to load a shard: at first, and at most.
constexpr int64_t kRetryMsMin = 50;
constexpr int64_t kRetryMsMax = 500;

// What a coordinator says when its shard cannot be asked. Kafka has kCoordinatorNotAvailable for a record that was not
// replicated in time, too: the client looks for the coordinator and asks again.
ErrorCode coordinator_error(const topics::Asked& asked) {
  switch (asked.outcome) {
    case log::LogErrc::kOk:
      return asked.answer.error == topic::TopicErrc::kInvalid ? ErrorCode::kInvalidCommitOffsetSize
                                                              : error_of(asked.answer.error);
    case log::LogErrc::kFull:
    case log::LogErrc::kFailed:
    case log::LogErrc::kTimedOut:
      return ErrorCode::kCoordinatorNotAvailable;
    case log::LogErrc::kTooLarge:
      return ErrorCode::kInvalidCommitOffsetSize;
    default:
      return ErrorCode::kNotCoordinator;
  }
}

}  // namespace

GroupShard::GroupShard(GroupHome& home, shard::ShardId id, int32_t claim)
    : home_(home),
      id_(id),
      claim_(claim),
      coordinator_(std::make_unique<GroupCoordinator>(*this, home.reactor().random().next())),
      sweep_timer_(home.reactor(), [this] { tasks_.spawn(sweep()); }),
      tasks_(home.reactor()) {}

GroupShard::~GroupShard() = default;

template <class Body>
topics::Asking GroupShard::ask(const Body& body) {
  return home_.topics().ask(home_.reactor(), id_, body);
}

// ---- Beginning and end.

void GroupShard::load() {
  is_loading_ = true;
  tasks_.spawn(run_load());
}

Task<void> GroupShard::run_load() {
  bool is_told = false;
  for (int64_t retry_ms = kRetryMsMin;; retry_ms = std::min(2 * retry_ms, kRetryMsMax)) {
    const log::LogErrc outcome = co_await load_groups();
    if (is_over_) co_return;
    if (outcome == log::LogErrc::kOk) break;
    // Half of them is nothing to go on from.
    coordinator_ = std::make_unique<GroupCoordinator>(*this, home_.reactor().random().next());
    // Of a shard that is damaged there are no groups that could be led.
    if (outcome == log::LogErrc::kDamaged || outcome == log::LogErrc::kStopped) {
      is_loading_ = false;
      co_return;
    }
    if (retry_ms == kRetryMsMax && !is_told) {
      is_told = true;
      log_warn("kafka", "the groups of a shard cannot be loaded yet",
               {{"shard", id_}, {"why", make_error_code(outcome).message()}});
    }
    co_await env::sleep_for(home_.reactor(), retry_ms * kNsPerMs);
    if (is_over_) co_return;
  }
  is_loading_ = false;
  is_serving_ = true;
  sweep_timer_.arm_after(options().offsets_retention_check_ms * kNsPerMs);
  home_.after();
}

Task<log::LogErrc> GroupShard::load_groups() {
  topic::ListGroups page{.count_max = kPage};
  while (true) {
    const topics::Asked listed = co_await ask(page);
    if (is_over_ || listed.outcome != log::LogErrc::kOk) co_return listed.outcome;
    for (const topic::GroupInfo& info : listed.answer.groups) {
      if (info.head.type != topic::GroupType::kClassic && info.head.type != topic::GroupType::kConsumer) continue;
      topics::Asked group = co_await ask(topic::DescribeGroup{.group = info.head.name});
      if (is_over_ || group.outcome != log::LogErrc::kOk) co_return group.outcome;
      // Nobody else removes groups while this claim holds.
      if (group.ok()) coordinator_->load(group.answer.groups.at(0).head, std::move(group.answer.members));
    }
    if (!listed.answer.is_truncated || listed.answer.groups.empty()) co_return log::LogErrc::kOk;
    page.after = listed.answer.groups.back().head.name;
  }
}

void GroupShard::end() {
  if (is_over_) return;
  is_over_ = true;
  is_loading_ = false;
  is_serving_ = false;
  sweep_timer_.disarm();
  coordinator_->refuse_all(ErrorCode::kNotCoordinator);
  for (auto& [number, saved] : std::exchange(saving_, {})) saved(ErrorCode::kNotCoordinator);
  for (auto& [number, reply] : std::exchange(asking_, {})) reply(ErrorCode::kNotCoordinator);
}

void GroupShard::claim_again() {
  log_info("kafka", "the groups of a shard are loaded anew, if this node leads it still", {{"shard", id_}});
  home_.topics().claim_again(home_.reactor(), id_, claim_);
  home_.end(*this);
}

bool GroupShard::is_fenced(const topics::Asked& asked) {
  if (is_over_) return true;
  if (asked.outcome != log::LogErrc::kOk || asked.answer.error != topic::TopicErrc::kFencedClaim) return false;
  claim_again();
  return true;
}

// ---- What the coordinator needs.

int64_t GroupShard::now_ms() const { return home_.now_ms(); }
const GroupOptions& GroupShard::options() const { return home_.options(); }
std::string GroupShard::fresh_id() { return home_.fresh_id(); }
std::optional<TopicFacts> GroupShard::find_topic(std::string_view name) { return home_.find_topic(name); }
std::optional<std::vector<std::string>> GroupShard::match_topics(const std::string& regex) {
  return home_.match_topics(regex);
}

void GroupShard::save(uint64_t, topic::SaveGroup what, Saved saved) {
  if (is_over_) return;
  what.claim = claim_;
  const uint64_t number = ++last_number_;
  saving_.emplace(number, std::move(saved));
  // Asked for right here, so that saves and commits stand in the log in their order.
  tasks_.spawn(finish_save(ask(what), number));
}

Task<void> GroupShard::finish_save(topics::Asking asking, uint64_t number) {
  const topics::Asked asked = co_await asking;
  if (is_fenced(asked)) co_return;
  if (asked.outcome == log::LogErrc::kTimedOut) {
    claim_again();
    co_return;
  }
  const ErrorCode error = coordinator_error(asked);
  if (error != ErrorCode::kNone) log_warn("kafka", "a group could not be saved", {{"error", error_name(error)}});
  auto saved = saving_.extract(number);
  saved.mapped()(error);
  home_.after();
}

// ---- Requests.

uint64_t GroupShard::keep(Reply<ErrorCode> reply) {
  asking_.emplace(++last_number_, std::move(reply));
  return last_number_;
}

void GroupShard::answer(uint64_t number, ErrorCode error) {
  auto reply = asking_.extract(number);
  reply.mapped()(error);
}

template <class Body>
void GroupShard::commit(const CommitCheck& check, Body what, Reply<ErrorCode> reply) {
  if (const ErrorCode error = coordinator_->check_commit(check); error != ErrorCode::kNone) return reply(error);
  if (tasks_.count() >= kTasksMax) return reply(ErrorCode::kCoordinatorNotAvailable);
  home_.figures().offset_commits.add();
  what.claim = claim_;
  const uint64_t number = keep(std::move(reply));
  tasks_.spawn(finish_commit(ask(what), number));
}
template void GroupShard::commit(const CommitCheck&, topic::CommitOffsets, Reply<ErrorCode>);
template void GroupShard::commit(const CommitCheck&, topic::PendOffsets, Reply<ErrorCode>);

Task<void> GroupShard::finish_commit(topics::Asking asking, uint64_t number) {
  const topics::Asked asked = co_await asking;
  if (!is_fenced(asked)) answer(number, coordinator_error(asked));
}

void GroupShard::remove(std::string group, Reply<ErrorCode> reply) {
  if (!coordinator_->is_empty(group)) return reply(ErrorCode::kNonEmptyGroup);
  if (tasks_.count() >= kTasksMax) return reply(ErrorCode::kCoordinatorNotAvailable);
  const uint64_t number = keep(std::move(reply));
  topics::Asking asking = ask(topic::DeleteGroup{.group = group, .claim = claim_});
  tasks_.spawn(finish_remove(std::move(asking), std::move(group), number));
}

Task<void> GroupShard::finish_remove(topics::Asking asking, std::string group, uint64_t number) {
  const topics::Asked asked = co_await asking;
  if (is_fenced(asked)) co_return;
  if (asked.outcome == log::LogErrc::kTimedOut) {
    // Is it there? Whoever asks again hears it.
    answer(number, coordinator_error(asked));
    claim_again();
    co_return;
  }
  // Not before it is gone: one that stays goes on with its epoch. Nor if somebody has come meanwhile, who begins it
  // anew.
  if (asked.ok() || asked.answer.error == topic::TopicErrc::kUnknownGroup) (void)coordinator_->forget(group);
  answer(number, coordinator_error(asked));
  home_.after();
}

void GroupShard::delete_offsets(topic::DeleteOffsets what, Reply<ErrorCode> reply) {
  if (tasks_.count() >= kTasksMax) return reply(ErrorCode::kCoordinatorNotAvailable);
  what.claim = claim_;
  const uint64_t number = keep(std::move(reply));
  tasks_.spawn(finish_delete(ask(what), number));
}

Task<void> GroupShard::finish_delete(topics::Asking asking, uint64_t number) {
  const topics::Asked asked = co_await asking;
  if (!is_fenced(asked)) answer(number, coordinator_error(asked));
}

// ---- Offsets that have outlived their retention.

Task<void> GroupShard::sweep() {
  topic::FindExpiredOffsets page{
      .now_ms = home_.reactor().clock().wall_ms(), .retention_ms = options().offsets_retention_ms, .count_max = kPage};
  while (!is_over_) {
    topics::Asked found = co_await ask(page);
    if (is_over_) co_return;
    if (!found.ok() || found.answer.expired.empty()) break;
    const bool is_truncated = found.answer.is_truncated;
    page.after = found.answer.expired.back().first;
    co_await delete_expired(std::move(found.answer.expired), page.now_ms);
    if (!is_truncated) break;
  }
  if (!is_over_) sweep_timer_.arm_after(options().offsets_retention_check_ms * kNsPerMs);
}

Task<void> GroupShard::delete_expired(std::vector<std::pair<std::string, topic::GroupOffset>> expired, int64_t now_ms) {
  for (size_t i = 0; i < expired.size();) {
    topic::DeleteOffsets command{
        .group = expired[i].first, .committed_before_ms = now_ms, .removes_empty = true, .claim = claim_};
    for (; i < expired.size() && expired[i].first == command.group && command.offsets.size() < kPage; ++i) {
      const topic::GroupOffset& each = expired[i].second;
      if (each.partition >= 0) command.offsets.push_back({.topic = each.topic, .partition = each.partition});
    }
    // Somebody has come back to it meanwhile.
    if (!coordinator_->is_empty(command.group)) continue;
    const topics::Asked deleted = co_await ask(command);
    if (is_fenced(deleted)) co_return;
    if (!deleted.ok()) continue;
    home_.figures().offsets_expired.add(command.offsets.size());
    const topics::Asked left = co_await ask(topic::DescribeGroup{.group = command.group});
    if (is_over_) co_return;
    if (left.outcome == log::LogErrc::kOk && left.answer.error == topic::TopicErrc::kUnknownGroup) {
      (void)coordinator_->forget(command.group);
    }
  }
  home_.after();
}

}  // namespace keelson::kafka
