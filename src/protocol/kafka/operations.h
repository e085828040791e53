// What a client may do, as Kafka tells it: bits by the numbers of AclOperation.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/kafka/call.h"

namespace keelson::kafka {

// Of those operations that the type of resource has.
[[nodiscard]] int32_t allowed_operations(Call& call, ResourceType type, std::string_view name);

}  // namespace keelson::kafka
