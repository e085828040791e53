// How calls are refused: Google's codes, and texts as near to its own as can be.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/topic/answer.h"
#include "log/commit_log.h"
#include "net/grpc/status.h"
#include "topics/asking.h"

namespace keelson::pubsub {

using net::grpc::CallStatus;
using net::grpc::Code;

// `resource`: its id, or its whole name.
[[nodiscard]] CallStatus not_found(std::string_view resource);
[[nodiscard]] CallStatus already_exists(std::string_view resource);
[[nodiscard]] CallStatus invalid(std::string text);
[[nodiscard]] CallStatus failed_precondition(std::string text);
[[nodiscard]] CallStatus unimplemented(std::string text);
[[nodiscard]] CallStatus stopped();
[[nodiscard]] CallStatus status_of(log::LogErrc outcome);
// OK if it was.
[[nodiscard]] CallStatus status_of(const topics::Asked& asked);

// Acknowledgements under exactly-once delivery that failed: ids and Google's word for each, "TRANSIENT_FAILURE_..." or
// "PERMANENT_FAILURE_...". As many are named as a status has room for; clients judge the others by its code, and count
// none of them as acknowledged.
using AckFailures = std::vector<std::pair<std::string, std::string_view>>;
inline constexpr std::string_view kInvalidAckId = "PERMANENT_FAILURE_INVALID_ACK_ID";
inline constexpr std::string_view kTransientFailure = "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE";
[[nodiscard]] CallStatus ack_failure(const AckFailures& failures);

}  // namespace keelson::pubsub
