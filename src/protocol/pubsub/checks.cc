#include "protocol/pubsub/checks.h"

#include <algorithm>
#include <array>

// clang-format off
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/util/field_mask_util.h>
// clang-format on

#include "protocol/pubsub/filter.h"
#include "protocol/pubsub/names.h"
#include "protocol/pubsub/setup.h"

namespace keelson::pubsub {

namespace {

using google::protobuf::Duration;

CallStatus check_range(std::string_view field, const Duration& value, int64_t min_s, int64_t max_s) {
  const bool is_good = value.seconds() >= min_s && value.nanos() >= 0 && value.nanos() < 1'000'000'000 &&
                       (value.seconds() < max_s || (value.seconds() == max_s && value.nanos() == 0));
  if (is_good) return {};
  return invalid("The value for " + std::string(field) + " is not valid: it must be from " + std::to_string(min_s) +
                 "s to " + std::to_string(max_s) + "s.");
}

}  // namespace

CallStatus invalid_name(std::string_view collection, std::string_view name) {
  return invalid("Invalid [" + std::string(collection) + "] name: (name=" + std::string(name) + ")");
}

CallStatus check_labels(const google::protobuf::Map<std::string, std::string>& labels) {
  if (labels.size() > kLabelsMax)
    return invalid("A resource can have at most " + std::to_string(kLabelsMax) + " labels.");
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > kLabelBytesMax || value.size() > kLabelBytesMax) {
      return invalid("A label's key must have 1 to 63 characters and its value at most 63 (key=" + key + ").");
    }
  }
  return {};
}

CallStatus check_topic(const pb::Topic& topic) {
  if (topic.has_ingestion_data_source_settings()) {
    return unimplemented("Ingestion from other products is not supported.");
  }
  if (topic.message_transforms_size() != 0) return unimplemented("Message transforms are not supported.");
  if (!topic.kms_key_name().empty()) return unimplemented("Keys of one's own (kms_key_name) are not supported.");
  if (topic.has_message_retention_duration()) {
    CallStatus good =
        check_range("message_retention_duration", topic.message_retention_duration(), kRetentionMinS, kRetentionMaxS);
    if (!good.ok()) return good;
  }
  return check_labels(topic.labels());
}

CallStatus check_push_config(const pb::PushConfig& config) {
  const std::string& endpoint = config.push_endpoint();
  if (endpoint.empty()) return {};
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
    return invalid("Invalid push endpoint given (endpoint=" + endpoint + "). It must be an URL of http or https.");
  }
  return unimplemented("Push subscriptions are not supported: use Pull or StreamingPull.");
}

static CallStatus fill_retry_policy(pb::RetryPolicy& policy) {
  if (!policy.has_minimum_backoff()) policy.mutable_minimum_backoff()->set_seconds(kBackoffMinDefaultS);
  if (!policy.has_maximum_backoff()) policy.mutable_maximum_backoff()->set_seconds(kBackoffMaxS);
  CallStatus good = check_range("retry_policy.minimum_backoff", policy.minimum_backoff(), 0, kBackoffMaxS);
  if (good.ok()) good = check_range("retry_policy.maximum_backoff", policy.maximum_backoff(), 0, kBackoffMaxS);
  if (!good.ok()) return good;
  if (std::pair(policy.minimum_backoff().seconds(), policy.minimum_backoff().nanos()) >
      std::pair(policy.maximum_backoff().seconds(), policy.maximum_backoff().nanos())) {
    return invalid("retry_policy.minimum_backoff is larger than retry_policy.maximum_backoff.");
  }
  return {};
}

static CallStatus fill_dead_letter_policy(pb::DeadLetterPolicy& policy) {
  if (!parse_name(ResourceKind::kTopic, policy.dead_letter_topic())) {
    return invalid_name("topics", policy.dead_letter_topic());
  }
  if (policy.max_delivery_attempts() == 0) policy.set_max_delivery_attempts(kDeadLetterAttemptsMin);
  if (policy.max_delivery_attempts() < kDeadLetterAttemptsMin ||
      policy.max_delivery_attempts() > kDeadLetterAttemptsMax) {
    return invalid("dead_letter_policy.max_delivery_attempts must be from 5 to 100 (max_delivery_attempts=" +
                   std::to_string(policy.max_delivery_attempts()) + ").");
  }
  return {};
}

static CallStatus check_not_done(const pb::Subscription& subscription) {
  if (subscription.has_bigquery_config() || subscription.has_bigtable_config() ||
      subscription.has_cloud_storage_config()) {
    return unimplemented("Exports to BigQuery, Bigtable or Cloud Storage are not supported.");
  }
  if (subscription.message_transforms_size() != 0) return unimplemented("Message transforms are not supported.");
  return check_push_config(subscription.push_config());
}

CallStatus check_subscription_fields(pb::Subscription& subscription) {
  if (CallStatus good = check_not_done(subscription); !good.ok()) return good;
  if (subscription.ack_deadline_seconds() == 0) subscription.set_ack_deadline_seconds(kAckDeadlineMinS);
  if (subscription.ack_deadline_seconds() < kAckDeadlineMinS ||
      subscription.ack_deadline_seconds() > kAckDeadlineMaxS) {
    return invalid("Invalid ack deadline given (ack_deadline_seconds=" +
                   std::to_string(subscription.ack_deadline_seconds()) + "). It must be from 10 to 600 seconds.");
  }
  if (!subscription.has_message_retention_duration()) {
    subscription.mutable_message_retention_duration()->set_seconds(kRetentionDefaultS);
  }
  CallStatus good = check_range("message_retention_duration", subscription.message_retention_duration(), kRetentionMinS,
                                kRetentionMaxS);
  if (!good.ok()) return good;
  if (!subscription.has_expiration_policy()) {
    subscription.mutable_expiration_policy()->mutable_ttl()->set_seconds(kExpirationDefaultS);
  } else if (subscription.expiration_policy().has_ttl()) {
    good = check_range("expiration_policy.ttl", subscription.expiration_policy().ttl(), kExpirationMinS, INT32_MAX);
    if (!good.ok()) return good;
  }
  if (subscription.has_retry_policy()) good = fill_retry_policy(*subscription.mutable_retry_policy());
  if (!good.ok()) return good;
  if (subscription.has_dead_letter_policy()) good = fill_dead_letter_policy(*subscription.mutable_dead_letter_policy());
  if (!good.ok()) return good;
  std::string error;
  if (!Filter::parse(subscription.filter(), error)) {
    return invalid("The filter is not valid: " + error + " (filter=" + subscription.filter() + ").");
  }
  return check_labels(subscription.labels());
}

static CallStatus check_message(const pb::PubsubMessage& message) {
  if (message.data().empty() && message.attributes().empty()) {
    return invalid(
        "One or more messages in the publish request is empty. Each message must contain either non-empty data, or at "
        "least one attribute.");
  }
  if (message.ordering_key().size() > kOrderingKeyBytesMax) {
    return invalid("The ordering key is longer than " + std::to_string(kOrderingKeyBytesMax) + " bytes.");
  }
  if (message.attributes_size() > kAttributesMax) {
    return invalid("A message can have at most " + std::to_string(kAttributesMax) + " attributes.");
  }
  for (const auto& [key, value] : message.attributes()) {
    if (key.empty() || key.size() > kAttributeKeyBytesMax || value.size() > kAttributeValueBytesMax) {
      return invalid("An attribute's key must have 1 to 256 bytes and its value at most 1024 (key=" + key + ").");
    }
    if (key.starts_with("goog")) return invalid("An attribute's key must not begin with \"goog\" (key=" + key + ").");
  }
  return {};
}

CallStatus check_publish(const pb::PublishRequest& request) {
  if (request.messages_size() == 0)
    return invalid(
        "The value for message_count is too small. You passed 0 in the request, but the minimum value is 1.");
  if (request.messages_size() > kPublishMessagesMax) {
    return invalid("The value for message_count is too large. You passed " + std::to_string(request.messages_size()) +
                   " in the request, but the maximum value is " + std::to_string(kPublishMessagesMax) + ".");
  }
  const size_t bytes = request.ByteSizeLong();
  if (bytes > kPublishBytesMax) {
    return invalid("The value for request_size is too large. You passed " + std::to_string(bytes) +
                   " in the request, but the maximum value is " + std::to_string(kPublishBytesMax) + ".");
  }
  for (const pb::PubsubMessage& message : request.messages()) {
    if (CallStatus good = check_message(message); !good.ok()) return good;
  }
  return {};
}

// ---- Field masks.

std::span<const std::string_view> topic_mask() {
  static constexpr std::array<std::string_view, 4> kFields = {"labels", "message_retention_duration",
                                                              "message_storage_policy", "schema_settings"};
  return kFields;
}

std::span<const std::string_view> subscription_mask() {
  static constexpr std::array<std::string_view, 9> kFields = {
      "ack_deadline_seconds",       "dead_letter_policy", "enable_exactly_once_delivery", "expiration_policy", "labels",
      "message_retention_duration", "push_config",        "retain_acked_messages",        "retry_policy"};
  return kFields;
}

std::span<const std::string_view> snapshot_mask() {
  static constexpr std::array<std::string_view, 2> kFields = {"expire_time", "labels"};
  return kFields;
}

CallStatus check_mask(const google::protobuf::FieldMask& mask, std::span<const std::string_view> allowed,
                      std::string_view request, std::string_view resource) {
  if (mask.paths_size() == 0) {
    return invalid("The update_mask in the " + std::string(request) +
                   " must be set, and must contain a non-empty paths list.");
  }
  for (const std::string& path : mask.paths()) {
    const std::string_view field = std::string_view(path).substr(0, path.find('.'));
    if (std::ranges::find(allowed, field) != allowed.end()) continue;
    return invalid("Invalid update_mask provided in the " + std::string(request) + ": '" + path + "' is not a known " +
                   std::string(resource) + " field that can be changed.");
  }
  return {};
}

void apply_mask(const google::protobuf::FieldMask& mask, const google::protobuf::Message& from,
                google::protobuf::Message& into) {
  google::protobuf::util::FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(from, mask, options, &into);
}

}  // namespace keelson::pubsub
