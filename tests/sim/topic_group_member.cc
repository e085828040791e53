#include <utility>

#include "tests/sim/topic_clients.h"

namespace keelson::sim_test {

namespace {

constexpr int32_t kSessionMs = 1000;
constexpr int32_t kRebalanceMs = 2000;

constexpr int16_t kOffsetOutOfRange = 1;
// Kafka's codes of a group that goes on without this member, or with another generation.
constexpr int16_t kIllegalGeneration = 22;
constexpr int16_t kUnknownMemberId = 25;
constexpr int16_t kRebalanceInProgress = 27;
constexpr int16_t kMemberIdRequired = 79;

}  // namespace

GroupMember::GroupMember(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id, std::string group)
    : TopicClient(env, std::move(servers), world, id), group_(std::move(group)) {}

Task<void> GroupMember::run() {
  bool is_over = false;
  while (goes_on() && !is_over) {
    if (co_await join()) is_over = co_await work();
    co_await pause();
  }
  while (goes_on()) {
    const auto left = co_await link_.leave(group_, member_);
    if (left && (left->error == kNoError || left->error == kUnknownMemberId)) break;
    co_await pause();
  }
  is_done_ = true;
}

// An assignment is a string of partitions, a byte each.
Task<bool> GroupMember::join() {
  assigned_.clear();
  const auto joined = co_await link_.join(group_, member_, kSessionMs, kRebalanceMs);
  if (!joined) co_return false;
  if (joined->error == kMemberIdRequired) member_ = joined->member;
  if (joined->error == kUnknownMemberId) member_.clear();
  if (joined->error != kNoError) {
    if (joined->error != kMemberIdRequired && joined->error != kUnknownMemberId &&
        joined->error != kRebalanceInProgress && judge_error(joined->error) == Verdict::kUnexpected) {
      violate("JoinGroup is answered with error " + std::to_string(joined->error));
    }
    co_return false;
  }
  // A crash may take back one that no member has been given partitions in.
  if (joined->generation < synced_generation_) {
    violate("group " + group_ + ": generation " + std::to_string(joined->generation) + " comes behind " +
            std::to_string(synced_generation_));
  }
  generation_ = joined->generation;
  member_ = joined->member;
  std::vector<std::pair<std::string, std::string>> assignments;
  for (const std::string& member : joined->members) assignments.emplace_back(member, "");
  for (int32_t partition = 0; partition < world_.partitions && !assignments.empty(); ++partition) {
    assignments[static_cast<size_t>(partition) % assignments.size()].second.push_back(static_cast<char>(partition));
  }
  const auto synced = co_await link_.sync(group_, generation_, member_, std::move(assignments));
  if (!synced) co_return false;
  if (synced->error != kNoError) {
    if (synced->error == kUnknownMemberId) member_.clear();
    co_return false;
  }
  synced_generation_ = generation_;
  for (const char partition : synced->assignment) assigned_.insert(partition);
  co_return true;
}

// True: it is to finish, and everything that is its own has been consumed.
Task<bool> GroupMember::work() {
  while (goes_on()) {
    const bool is_last = is_finishing_;
    const uint64_t before = successes_;
    for (const int32_t partition : assigned_) {
      if (!co_await consume(partition)) co_return false;
    }
    if (below(60) == 0 && !is_finishing_) {  // it dies without a word, and comes back as another
      member_.clear();
      link_.close();
      co_return false;
    }
    const auto beat = co_await link_.heartbeat(group_, generation_, member_);
    if (!beat) co_return false;
    if (beat->error == kUnknownMemberId) member_.clear();
    if (beat->error != kNoError) co_return false;
    if (is_last && successes_ == before) co_return true;
    co_await pause();
  }
  co_return false;
}

// False: the group must be joined again.
Task<bool> GroupMember::consume(int32_t partition) {
  const int64_t floor = world_.judge.committed_floor(group_, partition);
  const auto found = co_await link_.committed(group_, world_.topic, partition);
  if (!found || found->error != kNoError) co_return false;
  world_.judge.found_committed(group_, partition, found->value, floor);
  int64_t position = found->value;
  const auto start = co_await link_.find_offset(world_.topic, partition, -2);
  if (!start || start->error != kNoError) co_return false;
  position = std::max(position, start->value);
  const auto fetched = co_await link_.fetch({.topic = world_.topic,
                                             .partition = partition,
                                             .offset = position,
                                             .is_committed_only = true,
                                             .bytes_max = 1 + static_cast<int32_t>(below(20'000)),
                                             .wait_ms = static_cast<int32_t>(below(20))});
  if (fetched && fetched->error == kOffsetOutOfRange && !world_.is_trimmed) {
    violate("an offset that the group has committed is out of range");
  }
  if (!fetched || fetched->error != kNoError) co_return false;
  std::vector<SeenRecord> seen;
  const int64_t before = position;
  if (!read_batches(*fetched, true, position, seen)) violate("a fetch gave malformed batches");
  if (position == before) co_return true;
  for (const SeenRecord& record : seen) world_.judge.delivered(group_, partition, record.offset);
  const auto committed = co_await link_.commit(group_, generation_, member_, world_.topic, partition, position);
  if (!committed) co_return false;
  if (committed->error == kNoError) {
    world_.judge.committed(group_, partition, position);
    ++successes_;
    co_return true;
  }
  if (committed->error == kUnknownMemberId) member_.clear();
  if (committed->error != kUnknownMemberId && committed->error != kIllegalGeneration &&
      committed->error != kRebalanceInProgress && judge_error(committed->error) == Verdict::kUnexpected) {
    violate("OffsetCommit is answered with error " + std::to_string(committed->error));
  }
  co_return false;
}

}  // namespace keelson::sim_test
