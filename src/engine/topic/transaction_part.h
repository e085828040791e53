// Transactional ids as a part of the topic engine. See transaction_commands.h.
#pragma once

#include <memory>

#include "engine/topic/part.h"

namespace keelson::topic {

[[nodiscard]] std::unique_ptr<Part> make_transaction_part();

}  // namespace keelson::topic
