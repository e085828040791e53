// Appends messages to a topic, from any reactor.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.h"
#include "engine/topic/record_reader.h"
#include "protocol/pubsub/errors.h"
#include "topics/topics.h"

namespace keelson::pubsub {

// Views live until publish() has ended.
struct Outgoing {
  std::string_view key;  // empty: none
  std::string_view data;
  std::vector<topic::RecordHeader> attributes{};
};

struct Published {
  CallStatus status;
  std::vector<std::pair<int32_t, int64_t>> places{};  // partition and offset, of each message
};

// Messages with a key go to the key's partition; those without go together to the one that `spread` chooses. One batch
// for each partition; if one fails the others may be there all the same, and whoever tries again publishes them twice,
// as with Google. Returns once they are durable.
[[nodiscard]] Task<Published> publish(topics::Topics& topics, env::Reactor& here, topics::Topics::TopicPointer to,
                                      std::vector<Outgoing> messages, uint64_t spread, int64_t now_ms);

}  // namespace keelson::pubsub
