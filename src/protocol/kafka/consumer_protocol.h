// What members of classic groups of type "consumer" put into their metadata: ConsumerProtocolSubscription, as far as
// the coordinator looks into it (https://kafka.apache.org/protocol; its layout has only grown at the end).
#pragma once

#include <string_view>

namespace keelson::kafka {

inline constexpr std::string_view kConsumerProtocolType = "consumer";

// Does the subscription name the topic? True if the bytes cannot be read: whoever asks wants to know what is unused.
[[nodiscard]] bool subscription_has(std::string_view metadata, std::string_view topic);

}  // namespace keelson::kafka
