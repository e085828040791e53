// What the engine keeps of transactional ids (Kafka's, KIP-98 and KIP-360).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/topic/types.h"

namespace keelson::topic {

// Kafka's states, with its numbers; kDead never stands in a log: the id is gone.
enum class TransactionState : uint8_t {
  kEmpty = 0,
  kOngoing = 1,
  kPrepareCommit = 2,
  kPrepareAbort = 3,
  kCompleteCommit = 4,
  kCompleteAbort = 5,
  kDead = 6,
};
// As clients see it: "Ongoing", "PrepareCommit".
[[nodiscard]] std::string_view state_name(TransactionState state);

// The last epoch that is given out: one more is kept, so that an old producer can be fenced with it.
inline constexpr int16_t kProducerEpochMax = INT16_MAX - 1;

struct TransactionInfo {
  std::string id{};
  TransactionState state = TransactionState::kEmpty;
  int64_t producer_id = kNoProducerId;
  int64_t last_producer_id = kNoProducerId;  // the one before, whose epochs were used up
  int16_t producer_epoch = -1;
  int16_t last_producer_epoch = -1;  // -1: there is none that may ask again for its successor
  int32_t timeout_ms = 0;
  int64_t started_ms = kNoTimestamp;  // of the transaction, log time
  int64_t updated_ms = kNoTimestamp;  // of the state, log time
  std::vector<PartitionId> partitions{};
  std::vector<std::string> groups{};
};

}  // namespace keelson::topic
