#include "protocol/pubsub/received.h"

#include "protocol/pubsub/ack_id.h"
#include "protocol/pubsub/records.h"

namespace keelson::pubsub {

void show_grant(const Grant& grant, const topics::LeaseRules& rules, pb::ReceivedMessage& into) {
  const topics::Message& from = *grant.message;
  into.set_ack_id(format_ack_id(grant.id));
  if (rules.attempts_max != 0) into.set_delivery_attempt(static_cast<int32_t>(grant.attempt));
  pb::PubsubMessage& message = *into.mutable_message();
  message.set_data(from.data);
  message.set_message_id(format_message_id(from.partition, from.offset));
  message.set_ordering_key(from.key);
  const int64_t time_ms = from.time_ms < 0 ? 0 : from.time_ms;
  message.mutable_publish_time()->set_seconds(time_ms / 1000);
  message.mutable_publish_time()->set_nanos(static_cast<int32_t>(time_ms % 1000) * 1'000'000);
  for (const auto& [name, value] : from.attributes) (*message.mutable_attributes())[name] = value;
}

}  // namespace keelson::pubsub
