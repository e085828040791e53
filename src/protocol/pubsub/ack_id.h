// Acknowledgement ids as clients see them: a lease (topics/lease_table.h) as varints, in base64 for URLs without
// padding (RFC 4648 §5). They are no secret and need no protection: who may acknowledge may acknowledge anything. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "topics/lease_table.h"

namespace keelson::pubsub {

[[nodiscard]] std::string format_ack_id(const topics::LeaseId& id);
// None: no id that this server has given.
[[nodiscard]] std::optional<topics::LeaseId> parse_ack_id(std::string_view text);

}  // namespace keelson::pubsub
