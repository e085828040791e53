// Fetch sessions (KIP-227): a connection that fetches the same partitions again and again names only what has changed,
// and is told only what has.
//
// A session belongs to the connection that began it, and ends with it: who comes back on another one is told that there
// is no such session, and begins anew. The epoch counts its requests, so that none is lost or taken twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/topic/types.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/messages/fetch.h"

namespace keelson::kafka {

// Sessions of one connection (a client has one), and their partitions together.
inline constexpr size_t kFetchSessionsMax = 4;
inline constexpr size_t kFetchPartitionsMax = 100'000;
// And those of all connections of a reactor: some 250 MiB.
inline constexpr size_t kReactorFetchPartitionsMax = 1'000'000;

struct FetchPartition {
  std::string topic;  // empty: the client goes by ids
  topic::TopicId id{};
  int32_t partition = 0;
  int32_t leader_epoch = -1;
  int64_t offset = 0;
  int32_t bytes_max = 0;
  // As the client was told last; -2: not yet, or with an error, so it is told in any case.
  int64_t told_high_watermark = -2;
  int64_t told_log_start = -2;
};

struct FetchSession {
  using Key = std::pair<std::string, int32_t>;  // the name, or the bytes of the id; and the partition
  int32_t id = 0;
  int32_t next_epoch = 1;
  bool is_by_id = false;
  // In the order in which they are looked at: those that had something go to the end.
  std::list<FetchPartition> partitions;
  std::map<Key, std::list<FetchPartition>::iterator> by_key;

  static Key key_of(const FetchPartition& partition);
  // Adds it, or changes what the client says of it.
  void put(FetchPartition partition);
  void forget(const Key& key);
  void move_to_end(std::list<FetchPartition>::iterator partition);
};

// What a request means.
struct FetchPlan {
  ErrorCode error = ErrorCode::kNone;
  FetchSession* session = nullptr;  // null: without one; else what it is now, with the request's changes
  bool is_full = true;              // everything is told
  int32_t session_id = 0;           // for the answer
};

// Of one connection.
class FetchSessions {
 public:
  // `reactor_partitions` counts those of all connections of a reactor, and outlives this.
  explicit FetchSessions(size_t& reactor_partitions) : reactor_partitions_(reactor_partitions) {}
  FetchSessions(const FetchSessions&) = delete;
  FetchSessions& operator=(const FetchSessions&) = delete;
  ~FetchSessions() { reactor_partitions_ -= counted_; }

  // `chance` gives the id of a new one.
  FetchPlan plan(const FetchRequest& request, int16_t version, uint32_t chance);
  // Null: there is none.
  [[nodiscard]] FetchSession* find(int32_t id) {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : &found->second;
  }

 private:
  FetchPlan make_plan(const FetchRequest& request, int16_t version, uint32_t chance);
  FetchPlan begin(const FetchRequest& request, int16_t version, uint32_t chance);
  [[nodiscard]] bool has_room(size_t partitions) const;
  [[nodiscard]] size_t partition_count() const;
  void count();

  std::map<int32_t, FetchSession> sessions_;
  size_t& reactor_partitions_;
  size_t counted_ = 0;  // of this one, in it
};

// The partitions of a request, in its order.
[[nodiscard]] std::vector<FetchPartition> partitions_of(const FetchRequest& request, int16_t version);

}  // namespace keelson::kafka
