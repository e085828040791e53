#include "protocol/kafka/fetch_session.h"

#include <limits>

namespace keelson::kafka {

namespace {

constexpr int32_t kNoSession = 0;
constexpr int32_t kFirstEpoch = 0;   // of a request that begins a session
constexpr int32_t kFinalEpoch = -1;  // ends it, or is without one
constexpr int16_t kIdsFrom = 13;

std::string bytes_of(const topic::TopicId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

}  // namespace

FetchSession::Key FetchSession::key_of(const FetchPartition& partition) {
  return {partition.topic.empty() ? bytes_of(partition.id) : partition.topic, partition.partition};
}

void FetchSession::put(FetchPartition partition) {
  Key key = key_of(partition);
  const auto found = by_key.find(key);
  if (found == by_key.end()) {
    partitions.push_back(std::move(partition));
    by_key.emplace(std::move(key), std::prev(partitions.end()));
    return;
  }
  FetchPartition& mine = *found->second;
  mine.leader_epoch = partition.leader_epoch;
  mine.offset = partition.offset;
  mine.bytes_max = partition.bytes_max;
}

void FetchSession::forget(const Key& key) {
  const auto found = by_key.find(key);
  if (found == by_key.end()) return;
  partitions.erase(found->second);
  by_key.erase(found);
}

void FetchSession::move_to_end(std::list<FetchPartition>::iterator partition) {
  partitions.splice(partitions.end(), partitions, partition);
}

std::vector<FetchPartition> partitions_of(const FetchRequest& request, int16_t version) {
  std::vector<FetchPartition> partitions;
  for (const FetchRequest::Topic& topic : request.topics) {
    for (const FetchRequest::Partition& wanted : topic.partitions) {
      partitions.push_back({.topic = version < kIdsFrom ? std::string(topic.topic) : std::string(),
                            .id = topic.topic_id,
                            .partition = wanted.partition,
                            .leader_epoch = wanted.current_leader_epoch,
                            .offset = wanted.fetch_offset,
                            .bytes_max = wanted.partition_max_bytes});
    }
  }
  return partitions;
}

size_t FetchSessions::partition_count() const {
  size_t count = 0;
  for (const auto& [id, session] : sessions_) count += session.partitions.size();
  return count;
}

bool FetchSessions::has_room(size_t partitions) const {
  return partition_count() + partitions <= kFetchPartitionsMax &&
         reactor_partitions_ + partitions <= kReactorFetchPartitionsMax;
}

void FetchSessions::count() {
  const size_t now = partition_count();
  reactor_partitions_ += now - counted_;
  counted_ = now;
}

FetchPlan FetchSessions::begin(const FetchRequest& request, int16_t version, uint32_t chance) {
  std::vector<FetchPartition> partitions = partitions_of(request, version);
  // Without room the client is served without a session, which it understands.
  if (sessions_.size() >= kFetchSessionsMax || !has_room(partitions.size())) return {};
  auto id = static_cast<int32_t>(chance & std::numeric_limits<int32_t>::max());
  while (id == kNoSession || sessions_.contains(id)) id = (id + 1) & std::numeric_limits<int32_t>::max();
  FetchSession& session = sessions_[id];
  session.id = id;
  session.is_by_id = version >= kIdsFrom;
  for (FetchPartition& partition : partitions) session.put(std::move(partition));
  return {.session = &session, .session_id = id};
}

FetchPlan FetchSessions::plan(const FetchRequest& request, int16_t version, uint32_t chance) {
  const FetchPlan plan = make_plan(request, version, chance);
  count();
  return plan;
}

FetchPlan FetchSessions::make_plan(const FetchRequest& request, int16_t version, uint32_t chance) {
  const int32_t epoch = request.session_epoch;
  if (epoch == kFirstEpoch || epoch == kFinalEpoch) {
    if (request.session_id != kNoSession && sessions_.erase(request.session_id) != 0) count();
    if (epoch == kFinalEpoch) return {};
    return begin(request, version, chance);
  }
  const auto found = sessions_.find(request.session_id);
  if (found == sessions_.end()) return {.error = ErrorCode::kFetchSessionIdNotFound};
  FetchSession& session = found->second;
  if (epoch != session.next_epoch) return {.error = ErrorCode::kInvalidFetchSessionEpoch};
  if (session.is_by_id != (version >= kIdsFrom)) return {.error = ErrorCode::kFetchSessionTopicIdError};
  std::vector<FetchPartition> partitions = partitions_of(request, version);
  if (!has_room(partitions.size())) {
    sessions_.erase(found);
    return {.error = ErrorCode::kFetchSessionIdNotFound};
  }
  // After 2^31 - 1 comes 1: 0 begins a session.
  session.next_epoch = epoch == std::numeric_limits<int32_t>::max() ? 1 : epoch + 1;
  for (FetchPartition& partition : partitions) session.put(std::move(partition));
  for (const FetchRequest::ForgottenTopic& topic : request.forgotten_topics) {
    const std::string name = session.is_by_id ? bytes_of(topic.topic_id) : std::string(topic.topic);
    for (int32_t partition : topic.partitions) session.forget({name, partition});
  }
  return {.session = &session, .is_full = false, .session_id = session.id};
}

}  // namespace keelson::kafka
