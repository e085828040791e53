// The part of the topic engine that holds cursors (cursor_commands.h).
#pragma once

#include <memory>

#include "engine/topic/part.h"

namespace keelson::topic {

[[nodiscard]] std::unique_ptr<Part> make_cursor_part();

}  // namespace keelson::topic
