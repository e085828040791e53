// Making topics, as CreateTopics and clients that name one that is not there (auto.create.topics.enable) want them.
#pragma once

#include <string>
#include <string_view>

#include "base/task.h"
#include "engine/topic/types.h"
#include "protocol/kafka/call.h"
#include "protocol/kafka/errors.h"

namespace keelson::kafka {

struct Created {
  ErrorCode error = ErrorCode::kNone;
  std::string reason{};
  topic::TopicId id{};
};
// An id for a new topic: a UUID of version 4.
[[nodiscard]] topic::TopicId draw_topic_id(env::Reactor& here);
// The name, number and configuration are looked at.
[[nodiscard]] Task<Created> create_topic(Call& call, std::string name, int32_t partitions, topic::Pairs configs);

// The topic of that name; where it is missing and clients may make topics by naming them, it is made with the
// defaults. kUnknownTopicOrPartition, kInvalidTopicException, or why it could not be made.
struct FoundOrMade {
  ErrorCode error = ErrorCode::kNone;
  topics::Topics::TopicPointer topic{};
};
[[nodiscard]] Task<FoundOrMade> find_or_make(Call& call, std::string name, bool may_make);

}  // namespace keelson::kafka
