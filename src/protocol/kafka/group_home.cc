#include "protocol/kafka/group_home.h"

#include <algorithm>

#include "base/logging.h"
#include "engine/topic/group_commands.h"
#include "engine/topic/log_commands.h"
#include "protocol/kafka/topic_pattern.h"

namespace keelson::kafka {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
// Of queries that walk through groups or topics.
constexpr uint32_t kPage = 1'000;
}  // namespace

GroupHome::GroupHome(topics::Topics& topics, env::Reactor& here, const GroupOptions& options)
    : topics_(topics),
      here_(here),
      options_(options),
      timer_(here,
             [this] {
               timer_at_ms_ = kNever;
               look();
               after();
             }),
      tasks_(here),
      stopping_(here) {}

GroupHome::~GroupHome() = default;

// ---- The lead of shards.

void GroupHome::lead_begun(shard::ShardId shard, int32_t claim) {
  lead_ended(shard);
  if (is_stopping_) return;
  std::unique_ptr<GroupShard>& at = shards_[shard];
  at = std::make_unique<GroupShard>(*this, shard, claim);
  at->load();
}

void GroupHome::lead_ended(shard::ShardId shard) {
  const auto at = shards_.find(shard);
  if (at != shards_.end()) end(*at->second);
}

void GroupHome::end(GroupShard& shard) {
  const auto at = shards_.find(shard.id());
  if (at == shards_.end() || at->second.get() != &shard) return;
  std::unique_ptr<GroupShard> ended = std::move(at->second);
  shards_.erase(at);
  rebalances_gone_ += ended->coordinator().figures().rebalances;
  for (WaitingBeat& each : waiting_) {
    if (each.shard != &shard) continue;
    BeatResult result;
    result.error = ErrorCode::kNotCoordinator;
    each.reply(std::move(result));
  }
  std::erase_if(waiting_, [&](const WaitingBeat& each) { return each.shard == &shard; });
  ended->end();
  tasks_.spawn(bury(std::move(ended)));
  figures_at_ms_ = 0;
  after();
}

Task<void> GroupHome::bury(std::unique_ptr<GroupShard> ended) { co_await ended->tasks().join(); }

Task<bool> GroupHome::stop() {
  is_stopping_ = true;
  while (!shards_.empty()) end(*shards_.begin()->second);
  timer_.disarm();
  co_await tasks_.join();
  timer_.disarm();
  co_return true;
}

bool GroupHome::is_loading() const {
  return std::ranges::any_of(shards_, [](const auto& row) { return row.second->is_loading(); });
}

GroupShard* GroupHome::find(shard::ShardId shard) const {
  const auto at = shards_.find(shard);
  return at == shards_.end() || !at->second->is_serving() ? nullptr : at->second.get();
}

ErrorCode GroupHome::refusal_code(shard::ShardId shard) const {
  if (is_stopping_) return ErrorCode::kNotCoordinator;
  // It is being loaded, or about to be claimed.
  return topics_.leads(shard) ? ErrorCode::kCoordinatorLoadInProgress : ErrorCode::kNotCoordinator;
}

// ---- Time.

void GroupHome::look() {
  // What is saved meanwhile may be refused, and end a shard.
  std::vector<shard::ShardId> led;
  for (const auto& [id, shard] : shards_) led.push_back(id);
  for (const shard::ShardId id : led) {
    if (GroupShard* shard = find(id)) shard->coordinator().look();
  }
}

void GroupHome::count() {
  GroupCoordinator::Figures sum{.rebalances = rebalances_gone_};
  for (const auto& [id, shard] : shards_) {
    const GroupCoordinator::Figures figures = shard->coordinator().figures();
    sum.groups += figures.groups;
    sum.members += figures.members;
    sum.rebalances += figures.rebalances;
  }
  figures_.groups.set(static_cast<int64_t>(sum.groups));
  figures_.members.set(static_cast<int64_t>(sum.members));
  figures_.rebalances.set(static_cast<int64_t>(sum.rebalances));
}

void GroupHome::after() {
  // To count costs a walk over all groups.
  if (now_ms() >= figures_at_ms_) {
    figures_at_ms_ = now_ms() + kFiguresEveryMs;
    count();
  }
  int64_t at_ms = kNever;
  for (const auto& [id, shard] : shards_) {
    if (shard->is_serving()) at_ms = std::min(at_ms, shard->coordinator().wake_ms());
  }
  if (at_ms == timer_at_ms_ || is_stopping_) return;
  timer_at_ms_ = at_ms;
  at_ms == kNever ? timer_.disarm() : timer_.arm_after(std::max<int64_t>(at_ms - now_ms(), 0) * kNsPerMs);
}

// ---- What coordinators need.

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

std::optional<TopicFacts> GroupHome::find_topic(std::string_view name) const {
  const auto at = directory_.find(name);
  if (at == directory_.end()) return std::nullopt;
  return at->second;
}

std::optional<std::vector<std::string>> GroupHome::match_topics(const std::string& regex) const {
  const std::optional<TopicPattern> pattern = TopicPattern::parse(regex);
  if (!pattern) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [name, facts] : directory_) {
    if (pattern->matches(name)) names.push_back(name);
  }
  return names;
}

// ---- Requests.

void GroupHome::beat(GroupShard& shard, ConsumerBeat beat, Reply<BeatResult> reply) {
  if (directory_version_ == topics_.directory_version()) {
    return shard.coordinator().beat(std::move(beat), std::move(reply));
  }
  if (waiting_.size() >= kWaitingMax) {
    BeatResult result;
    result.error = ErrorCode::kCoordinatorNotAvailable;
    return reply(std::move(result));
  }
  waiting_.push_back({&shard, std::move(beat), std::move(reply)});
  if (!is_reading_directory_) tasks_.spawn(read_then_beat());
}

Task<void> GroupHome::read_then_beat() {
  is_reading_directory_ = true;
  // Behind what the coordinator before has seen, if that can be had: a topic that is missing would be taken from the
  // group's members.
  bool is_read = co_await read_directory(false);
  if (!is_read && topics_.is_clustered()) is_read = co_await read_directory(true);
  is_reading_directory_ = false;
  const bool is_known = directory_version_ != 0;
  for (WaitingBeat& each : std::exchange(waiting_, {})) {
    if (is_known) {
      each.shard->coordinator().beat(std::move(each.beat), std::move(each.reply));
    } else {
      BeatResult result;
      result.error = ErrorCode::kCoordinatorLoadInProgress;
      each.reply(std::move(result));
    }
  }
  after();
}

// Groups of the consumer protocol are assigned whatever topics there are. One reader at a time, for all heartbeats that
// come meanwhile; if the topics cannot be read, they go on with what was known. `is_stale`: as they stand here.
Task<bool> GroupHome::read_directory(bool is_stale) {
  const uint64_t version = topics_.directory_version();
  const shard::ShardId shard = topics_.nearest_shard(here_);
  std::map<std::string, TopicFacts, std::less<>> fresh;
  topic::ListTopics page{.count_max = kPage};
  while (true) {
    const topics::Asked listed =
        is_stale ? co_await topics_.ask_stale(here_, shard, page) : co_await topics_.ask(here_, shard, page);
    if (!listed.ok()) co_return false;
    for (const topic::TopicInfo& info : listed.answer.topics) {
      fresh[info.name] = {.id = info.id, .partition_count = info.partition_count};
    }
    if (!listed.answer.is_truncated || listed.answer.topics.empty()) break;
    page.after = listed.answer.topics.back().name;
  }
  directory_ = std::move(fresh);
  directory_version_ = version;
  for (const auto& [id, each] : shards_) each->coordinator().topics_changed();
  co_return true;
}

void GroupHome::list(Reply<Groups::Listed> reply) {
  if (is_stopping_) {
    Groups::Listed result;
    result.error = ErrorCode::kNotCoordinator;
    return reply(std::move(result));
  }
  tasks_.spawn(run_list(std::move(reply)));
}

Task<void> GroupHome::run_list(Reply<Groups::Listed> reply) {
  Groups::Listed result;
  std::vector<shard::ShardId> led;
  for (const auto& [id, shard] : shards_) led.push_back(id);
  for (const shard::ShardId id : led) {
    std::map<std::string, ListedGroup> rows;
    const bool was_asked = co_await list_shard(id, rows);
    // It has gone meanwhile: whoever leads it now tells of its groups.
    if (!shards_.contains(id)) continue;
    GroupShard* shard = find(id);
    if (shard == nullptr || !was_asked) {
      result.error = shard == nullptr ? refusal_code(id) : ErrorCode::kCoordinatorNotAvailable;
      continue;
    }
    for (ListedGroup& row : shard->coordinator().list()) rows[row.name] = std::move(row);
    for (auto& [name, row] : rows) result.groups.push_back(std::move(row));
  }
  std::ranges::sort(result.groups, {}, &ListedGroup::name);
  reply(std::move(result));
}

Task<bool> GroupHome::list_shard(shard::ShardId shard, std::map<std::string, ListedGroup>& rows) {
  topic::ListGroups page{.count_max = kPage};
  while (true) {
    const topics::Asked listed = co_await topics_.ask(here_, shard, page);
    if (!listed.ok()) co_return false;
    for (const topic::GroupInfo& info : listed.answer.groups) {
      ListedGroup& row = rows[info.head.name];
      row = {.name = info.head.name, .type = info.head.type, .state = "Empty"};
      row.protocol_type = info.head.protocol_type;
    }
    if (!listed.answer.is_truncated || listed.answer.groups.empty()) co_return true;
    page.after = listed.answer.groups.back().head.name;
  }
}

}  // namespace keelson::kafka
