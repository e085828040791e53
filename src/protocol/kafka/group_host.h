// What a group needs from outside, so that groups are plain state machines: they have no clock, no chance and no log of
// their own, and can be tested on any time. group_shard.h is the host in the server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/topic/group_commands.h"
#include "engine/topic/types.h"
#include "protocol/kafka/errors.h"

namespace keelson::kafka {

// Settings of [kafka], with Kafka's names and defaults, besides what is bounded here and is not there.
struct GroupOptions {
  int32_t initial_rebalance_delay_ms = 3'000;  // group.initial.rebalance.delay.ms
  int32_t session_timeout_ms_min = 6'000;      // group.min.session.timeout.ms
  int32_t session_timeout_ms_max = 1'800'000;  // group.max.session.timeout.ms
  int32_t members_max = 10'000;                // group.max.size (there without an end)
  // What the members of a group bring and are given: the whole is one record of the log (at most 64 MiB).
  int64_t metadata_bytes_max = int64_t{16} << 20;
  int32_t offset_metadata_bytes_max = 4'096;        // offset.metadata.max.bytes
  int64_t offsets_retention_ms = 7 * 86'400'000LL;  // offsets.retention.minutes
  int64_t offsets_retention_check_ms = 600'000;     // offsets.retention.check.interval.ms
  int32_t consumer_session_timeout_ms = 45'000;     // group.consumer.session.timeout.ms
  int32_t consumer_heartbeat_interval_ms = 5'000;   // group.consumer.heartbeat.interval.ms
};

// A member that joined for the first time may wait for a rebalance to end, without a heartbeat, for so long.
inline constexpr int64_t kNewMemberJoinTimeoutMs = 5 * 60 * 1'000;
// No time at which anything is due.
inline constexpr int64_t kNever = INT64_MAX;

struct TopicFacts {
  topic::TopicId id{};
  int32_t partition_count = 0;
};

class GroupHost {
 public:
  using Saved = std::move_only_function<void(ErrorCode)>;

  virtual ~GroupHost() = default;
  // Monotonic.
  [[nodiscard]] virtual int64_t now_ms() const = 0;
  [[nodiscard]] virtual const GroupOptions& options() const = 0;
  // A UUID's text, fresh.
  [[nodiscard]] virtual std::string fresh_id() = 0;
  [[nodiscard]] virtual std::optional<TopicFacts> find_topic(std::string_view name) = 0;
  // Names of topics that match the expression (RE2's or ECMAScript's common part); null: it is not valid.
  [[nodiscard]] virtual std::optional<std::vector<std::string>> match_topics(const std::string& regex) = 0;
  // Saves take effect in their order. `saved` follows in a later turn, unless the group has gone (`serial` is its own).
  virtual void save(uint64_t serial, topic::SaveGroup what, Saved saved) = 0;
};

template <class Result>
using Reply = std::move_only_function<void(Result)>;

}  // namespace keelson::kafka
