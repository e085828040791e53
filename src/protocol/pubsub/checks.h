// What Google's reference demands of requests, as far as the request alone shows it. Pure.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "protocol/pubsub/ack_id.h"
#include "protocol/pubsub/errors.h"
#include "protocol/pubsub/messages.h"

namespace google::protobuf {
class FieldMask;
class Message;
}  // namespace google::protobuf

namespace keelson::pubsub {

// Of Publish ("Quotas and limits").
inline constexpr size_t kPublishBytesMax = 10'000'000;
inline constexpr int kPublishMessagesMax = 1000;
inline constexpr int kAttributesMax = 100;
inline constexpr size_t kAttributeKeyBytesMax = 256;
inline constexpr size_t kAttributeValueBytesMax = 1024;
inline constexpr size_t kOrderingKeyBytesMax = 1024;
inline constexpr int kLabelsMax = 64;
inline constexpr size_t kLabelBytesMax = 63 * 4;  // 63 characters
inline constexpr int kAckIdsMax = 20'000;

[[nodiscard]] CallStatus invalid_name(std::string_view collection, std::string_view name);
[[nodiscard]] CallStatus check_labels(const google::protobuf::Map<std::string, std::string>& labels);
[[nodiscard]] CallStatus check_topic(const pb::Topic& topic);
// Fills in what was left out, as Google does.
[[nodiscard]] CallStatus check_subscription_fields(pb::Subscription& subscription);
[[nodiscard]] CallStatus check_push_config(const pb::PushConfig& config);
[[nodiscard]] CallStatus check_publish(const pb::PublishRequest& request);

// The fields that an Update may name; of a message among them its own fields too.
[[nodiscard]] std::span<const std::string_view> topic_mask();
[[nodiscard]] std::span<const std::string_view> subscription_mask();
[[nodiscard]] std::span<const std::string_view> snapshot_mask();
[[nodiscard]] CallStatus check_mask(const google::protobuf::FieldMask& mask, std::span<const std::string_view> allowed,
                                    std::string_view request, std::string_view resource);
// check_mask() was content. Messages, lists and maps are replaced.
void apply_mask(const google::protobuf::FieldMask& mask, const google::protobuf::Message& from,
                google::protobuf::Message& into);

}  // namespace keelson::pubsub
