// Messages that were handed out in vain too often: they go to their subscription's dead-letter topic, with what they
// had, and what Google adds as attributes: CloudPubSubDeadLetterSourceDeliveryCount, ...SourceSubscription,
// ...SourceSubscriptionProject and ...SourceTopicPublishTime.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/task.h"
#include "protocol/pubsub/errors.h"
#include "topics/lease_table.h"
#include "topics/topics.h"

namespace keelson::pubsub {

struct DeadLetter {
  const topics::Message* message = nullptr;  // lives until it is published
  uint32_t attempts = 0;
};

// `topic`: its name in the directory. NOT_FOUND if it is gone.
[[nodiscard]] Task<CallStatus> publish_dead_letters(topics::Topics& topics, env::Reactor& here,
                                                    std::string subscription, std::string topic,
                                                    std::vector<DeadLetter> letters, uint64_t spread);

// RFC 3339, UTC, in milliseconds.
[[nodiscard]] std::string format_time(int64_t time_ms);

}  // namespace keelson::pubsub
