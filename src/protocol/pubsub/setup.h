// From a subscription's document to what it does.
#pragma once

#include "protocol/pubsub/messages.h"
#include "protocol/pubsub/subscription.h"

namespace keelson::pubsub {

// Defaults and limits of Google's reference.
inline constexpr int32_t kAckDeadlineMinS = 10;
inline constexpr int32_t kAckDeadlineMaxS = 600;
inline constexpr int64_t kDayS = 86'400;
inline constexpr int64_t kRetentionMinS = 600;
inline constexpr int64_t kRetentionMaxS = 31 * kDayS;
inline constexpr int64_t kRetentionDefaultS = 7 * kDayS;
inline constexpr int64_t kExpirationDefaultS = 31 * kDayS;
inline constexpr int64_t kExpirationMinS = kDayS;
inline constexpr int64_t kBackoffMaxS = 600;
inline constexpr int64_t kBackoffMinDefaultS = 10;
inline constexpr int32_t kDeadLetterAttemptsMin = 5;
inline constexpr int32_t kDeadLetterAttemptsMax = 100;
inline constexpr int64_t kSnapshotLifeS = 7 * kDayS;

[[nodiscard]] topic::TopicId topic_id_of(std::string_view bytes);
[[nodiscard]] std::string_view bytes_of(const topic::TopicId& id);

// The document was checked when it was written: INTERNAL if it is not as it should be.
[[nodiscard]] CallStatus make_setup(const stored::SubscriptionDocument& document, SubscriptionSetup& into);

}  // namespace keelson::pubsub
