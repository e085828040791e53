// Consumer groups as a part of the topic engine. See group_commands.h.
#pragma once

#include <memory>

#include "engine/topic/part.h"

namespace keelson::topic {

[[nodiscard]] std::unique_ptr<Part> make_group_part();

}  // namespace keelson::topic
