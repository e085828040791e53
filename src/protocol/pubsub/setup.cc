#include "protocol/pubsub/setup.h"

#include <algorithm>

#include "protocol/pubsub/names.h"
#include "protocol/pubsub/resources.h"

namespace keelson::pubsub {

namespace {

int64_t milliseconds(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1000 + duration.nanos() / 1'000'000;
}

}  // namespace

topic::TopicId topic_id_of(std::string_view bytes) {
  topic::TopicId id;
  std::copy_n(bytes.begin(), std::min(bytes.size(), id.bytes.size()), id.bytes.begin());
  return id;
}

std::string_view bytes_of(const topic::TopicId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

CallStatus make_setup(const stored::SubscriptionDocument& document, SubscriptionSetup& into) {
  const pb::Subscription& subscription = document.subscription();
  std::string error;
  auto filter = Filter::parse(subscription.filter(), error);
  if (!filter) return {Code::kInternal, "The filter of " + subscription.name() + " cannot be read: " + error};
  into.name = subscription.name();
  into.cursor = document_key(kSubscriptionDocuments, subscription.name());
  into.topic = topic_id_of(document.topic_id());
  into.filter = std::move(*filter);
  into.ack_deadline_ms = subscription.ack_deadline_seconds() * int64_t{1000};
  into.retention_ms = milliseconds(subscription.message_retention_duration());
  into.is_detached = subscription.detached();
  into.rules.is_ordered = subscription.enable_message_ordering();
  into.rules.is_exactly_once = subscription.enable_exactly_once_delivery();
  if (subscription.has_retry_policy()) {
    into.rules.backoff = topics::Backoff{milliseconds(subscription.retry_policy().minimum_backoff()),
                                         milliseconds(subscription.retry_policy().maximum_backoff())};
  }
  if (subscription.has_dead_letter_policy()) {
    into.rules.attempts_max = static_cast<uint32_t>(subscription.dead_letter_policy().max_delivery_attempts());
    const auto name = parse_name(ResourceKind::kTopic, subscription.dead_letter_policy().dead_letter_topic());
    into.dead_letter_topic = name ? directory_name(*name).value_or("") : "";
  }
  return {};
}

}  // namespace keelson::pubsub
