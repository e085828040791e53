#include "protocol/kafka/group_home.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "engine/topic/log_commands.h"
#include "protocol/kafka/topic_pattern.h"

namespace keelson::kafka {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Of queries that walk through groups or topics, and of offsets that one record removes.
constexpr uint32_t kPage = 1'000;

// What a coordinator says when its shard cannot be asked.
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

GroupHome::GroupHome(topics::Topics& topics, env::Reactor& here, const GroupOptions& options)
    : topics_(topics),
      here_(here),
      options_(options),
      timer_(here,
             [this] {
               timer_at_ms_ = kNever;
               coordinator_->look();
               after();
             }),
      sweep_timer_(here,
                   [this] {
                     if (!is_sweeping_) tasks_.spawn(sweep());
                   }),
      tasks_(here),
      stopping_(here) {}

GroupHome::~GroupHome() = default;

std::vector<shard::ShardId> GroupHome::shards() const {
  std::vector<shard::ShardId> mine;
  for (uint16_t i = 0; i < topics_.router().shard_count(); ++i) {
    const shard::ShardId id = topics_.shard_at(i);
    if (topics_.router().reactor_of(id) == here_.index()) mine.push_back(id);
  }
  return mine;
}

Task<Status> GroupHome::load() {
  coordinator_ = std::make_unique<GroupCoordinator>(*this, here_.random().next());
  for (const shard::ShardId shard : shards()) {
    Status loaded = co_await load_shard(shard);
    if (!loaded.ok()) co_return loaded;
  }
  is_serving_ = true;
  sweep_timer_.arm_after(options_.offsets_retention_check_ms * kNsPerMs);
  after();
  co_return Status();
}

Task<Status> GroupHome::load_shard(shard::ShardId shard) {
  topic::ListGroups page{.count_max = kPage};
  while (true) {
    const topics::Asked listed = co_await topics_.ask(here_, shard, page);
    // A shard that is damaged has no groups that could be led; the others go on.
    if (listed.outcome == log::LogErrc::kDamaged) co_return Status();
    if (!listed.ok()) co_return fail(std::make_error_code(std::errc::io_error), "groups: a shard cannot be read");
    for (const topic::GroupInfo& info : listed.answer.groups) {
      if (info.head.type != topic::GroupType::kClassic && info.head.type != topic::GroupType::kConsumer) continue;
      topics::Asked group = co_await topics_.ask(here_, shard, topic::DescribeGroup{.group = info.head.name});
      if (!group.ok()) co_return fail(std::make_error_code(std::errc::io_error), "groups: a shard cannot be read");
      coordinator_->load(group.answer.groups.at(0).head, std::move(group.answer.members));
    }
    if (!listed.answer.is_truncated) co_return Status();
    page.after = listed.answer.groups.back().head.name;
  }
}

Task<bool> GroupHome::stop() {
  is_serving_ = false;
  is_stopping_ = true;
  timer_.disarm();
  sweep_timer_.disarm();
  if (coordinator_) coordinator_->refuse_all(ErrorCode::kNotCoordinator);
  co_await tasks_.join();
  timer_.disarm();
  co_return true;
}

void GroupHome::after() {
  // To count costs a walk over all groups.
  if (now_ms() >= figures_at_ms_) {
    figures_at_ms_ = now_ms() + kFiguresEveryMs;
    const GroupCoordinator::Figures figures = coordinator_->figures();
    figures_.groups.set(static_cast<int64_t>(figures.groups));
    figures_.members.set(static_cast<int64_t>(figures.members));
    figures_.rebalances.set(static_cast<int64_t>(figures.rebalances));
  }
  const int64_t at_ms = coordinator_->wake_ms();
  if (at_ms == timer_at_ms_ || is_stopping_) return;
  timer_at_ms_ = at_ms;
  at_ms == kNever ? timer_.disarm() : timer_.arm_after(std::max<int64_t>(at_ms - now_ms(), 0) * kNsPerMs);
}

// ---- What the coordinator needs.

std::string GroupHome::fresh_id() {
  static constexpr char kDigits[] = "0123456789abcdef";
  const uint64_t halves[] = {here_.random().next(), here_.random().next()};
  std::string id;
  for (unsigned i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) id.push_back('-');
    id.push_back(kDigits[(halves[i / 16] >> (4 * (i % 16))) & 15U]);
  }
  return id;
}

std::optional<TopicFacts> GroupHome::find_topic(std::string_view name) {
  const auto at = directory_.find(name);
  if (at == directory_.end()) return std::nullopt;
  return at->second;
}

std::optional<std::vector<std::string>> GroupHome::match_topics(const std::string& regex) {
  const std::optional<TopicPattern> pattern = TopicPattern::parse(regex);
  if (!pattern) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [name, facts] : directory_) {
    if (pattern->matches(name)) names.push_back(name);
  }
  return names;
}

void GroupHome::save(uint64_t, topic::SaveGroup what, Saved saved) {
  // Asked for right here, so that saves and commits stand in the log in their order.
  topics::Asking asking = topics_.ask(here_, topics_.shard_of_name(what.head.name), what);
  tasks_.spawn(finish_save(std::move(asking), std::move(saved)));
}

Task<void> GroupHome::finish_save(topics::Asking asking, Saved saved) {
  const topics::Asked asked = co_await asking;
  const ErrorCode error = coordinator_error(asked);
  if (error != ErrorCode::kNone && !is_stopping_) {
    log_warn("kafka", "a group could not be saved", {{"error", error_name(error)}});
  }
  saved(error);
  after();
}

// ---- Requests.

void GroupHome::beat(ConsumerBeat beat, Reply<BeatResult> reply) {
  if (directory_version_ == topics_.directory_version()) return coordinator_->beat(std::move(beat), std::move(reply));
  if (waiting_.size() >= kTasksMax) {
    BeatResult result;
    result.error = ErrorCode::kCoordinatorNotAvailable;
    return reply(std::move(result));
  }
  waiting_.emplace_back(std::move(beat), std::move(reply));
  if (!is_reading_directory_) tasks_.spawn(read_then_beat());
}

Task<void> GroupHome::read_then_beat() {
  co_await read_directory();
  for (auto& [beat, reply] : std::exchange(waiting_, {})) coordinator_->beat(std::move(beat), std::move(reply));
  after();
}

// Groups of the consumer protocol are assigned whatever topics there are. One reader at a time, for all heartbeats that
// come meanwhile; if the topics cannot be read, they go on with what was known.
Task<void> GroupHome::read_directory() {
  is_reading_directory_ = true;
  const uint64_t version = topics_.directory_version();
  std::map<std::string, TopicFacts, std::less<>> fresh;
  topic::ListTopics page{.count_max = kPage};
  while (true) {
    const topics::Asked listed = co_await topics_.ask(here_, topics_.nearest_shard(here_), page);
    if (!listed.ok()) break;
    for (const topic::TopicInfo& info : listed.answer.topics) {
      fresh[info.name] = {.id = info.id, .partition_count = info.partition_count};
    }
    if (!listed.answer.is_truncated || listed.answer.topics.empty()) {
      directory_ = std::move(fresh);
      directory_version_ = version;
      coordinator_->topics_changed();
      break;
    }
    page.after = listed.answer.topics.back().name;
  }
  is_reading_directory_ = false;
}

template <class Body>
void GroupHome::commit(const CommitCheck& check, const Body& what, Reply<ErrorCode> reply) {
  if (const ErrorCode error = coordinator_->check_commit(check); error != ErrorCode::kNone) return reply(error);
  if (tasks_.count() >= kTasksMax) return reply(ErrorCode::kCoordinatorNotAvailable);
  figures_.offset_commits.add();
  topics::Asking asking = topics_.ask(here_, topics_.shard_of_name(what.group), what);
  tasks_.spawn(finish_commit(std::move(asking), std::move(reply)));
}
template void GroupHome::commit(const CommitCheck&, const topic::CommitOffsets&, Reply<ErrorCode>);
template void GroupHome::commit(const CommitCheck&, const topic::PendOffsets&, Reply<ErrorCode>);

Task<void> GroupHome::finish_commit(topics::Asking asking, Reply<ErrorCode> reply) {
  const topics::Asked asked = co_await asking;
  reply(coordinator_error(asked));
}

void GroupHome::remove(std::string group, Reply<ErrorCode> reply) {
  if (!coordinator_->is_empty(group)) return reply(ErrorCode::kNonEmptyGroup);
  tasks_.spawn(run_remove(std::move(group), std::move(reply)));
}

Task<void> GroupHome::run_remove(std::string group, Reply<ErrorCode> reply) {
  const topics::Asked asked =
      co_await topics_.ask(here_, topics_.shard_of_name(group), topic::DeleteGroup{.group = group});
  // Not before it is gone: one that stays goes on with its epoch. Nor if somebody has come meanwhile, who begins it
  // anew.
  if (asked.ok() || asked.answer.error == topic::TopicErrc::kUnknownGroup) (void)coordinator_->forget(group);
  reply(coordinator_error(asked));
  after();
}

void GroupHome::list(Reply<Groups::Listed> reply) { tasks_.spawn(run_list(std::move(reply))); }

Task<void> GroupHome::run_list(Reply<Groups::Listed> reply) {
  Groups::Listed result;
  std::map<std::string, ListedGroup> rows;
  for (const shard::ShardId shard : shards()) {
    topic::ListGroups page{.count_max = kPage};
    while (true) {
      const topics::Asked listed = co_await topics_.ask(here_, shard, page);
      // What a damaged shard had is not there to be listed; the others' groups are.
      if (!listed.ok() && listed.outcome != log::LogErrc::kDamaged) result.error = coordinator_error(listed);
      if (!listed.ok()) break;
      for (const topic::GroupInfo& info : listed.answer.groups) {
        ListedGroup& row = rows[info.head.name];
        row = {.name = info.head.name, .type = info.head.type, .state = "Empty"};
        row.protocol_type = info.head.protocol_type;
      }
      if (!listed.answer.is_truncated || listed.answer.groups.empty()) break;
      page.after = listed.answer.groups.back().head.name;
    }
  }
  for (ListedGroup& row : coordinator_->list()) rows[row.name] = std::move(row);
  for (auto& [name, row] : rows) result.groups.push_back(std::move(row));
  reply(std::move(result));
}

// ---- Offsets that have outlived their retention.

Task<void> GroupHome::sweep() {
  is_sweeping_ = true;
  for (const shard::ShardId shard : shards()) {
    if (!is_stopping_) co_await sweep_shard(shard);
  }
  is_sweeping_ = false;
  if (!is_stopping_) sweep_timer_.arm_after(options_.offsets_retention_check_ms * kNsPerMs);
}

Task<void> GroupHome::sweep_shard(shard::ShardId shard) {
  topic::FindExpiredOffsets page{
      .now_ms = here_.clock().wall_ms(), .retention_ms = options_.offsets_retention_ms, .count_max = kPage};
  while (!is_stopping_) {
    topics::Asked found = co_await topics_.ask(here_, shard, page);
    if (!found.ok() || found.answer.expired.empty()) co_return;
    const bool is_truncated = found.answer.is_truncated;
    page.after = found.answer.expired.back().first;
    co_await delete_expired(std::move(found.answer.expired), page.now_ms);
    if (!is_truncated) co_return;
  }
}

Task<void> GroupHome::delete_expired(std::vector<std::pair<std::string, topic::GroupOffset>> expired, int64_t now_ms) {
  for (size_t i = 0; i < expired.size();) {
    topic::DeleteOffsets command{.group = expired[i].first, .committed_before_ms = now_ms, .removes_empty = true};
    for (; i < expired.size() && expired[i].first == command.group && command.offsets.size() < kPage; ++i) {
      const topic::GroupOffset& each = expired[i].second;
      if (each.partition >= 0) command.offsets.push_back({.topic = each.topic, .partition = each.partition});
    }
    // Somebody has come back to it meanwhile.
    if (!coordinator_->is_empty(command.group)) continue;
    const topics::Asked deleted = co_await topics_.ask(here_, topics_.shard_of_name(command.group), command);
    if (!deleted.ok()) continue;
    figures_.offsets_expired.add(command.offsets.size());
    const topics::Asked left =
        co_await topics_.ask(here_, topics_.shard_of_name(command.group), topic::DescribeGroup{.group = command.group});
    if (left.answer.error == topic::TopicErrc::kUnknownGroup) (void)coordinator_->forget(command.group);
  }
  after();
}

}  // namespace keelson::kafka
