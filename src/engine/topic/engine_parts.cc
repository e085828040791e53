#include "engine/topic/engine_parts.h"

// The parts are built beside this; each is here once its branch is.
#if __has_include("engine/topic/group_part.h")
#include "engine/topic/group_part.h"
#endif
#if __has_include("engine/topic/transaction_part.h")
#include "engine/topic/transaction_part.h"
#endif
#if __has_include("engine/topic/cursor_part.h")
#include "engine/topic/cursor_part.h"
#endif

namespace keelson::topic {

std::array<std::unique_ptr<Part>, kPartCount> make_parts() {
  std::array<std::unique_ptr<Part>, kPartCount> parts;
#if __has_include("engine/topic/group_part.h")
  parts[kGroupPart] = make_group_part();
#endif
#if __has_include("engine/topic/transaction_part.h")
  parts[kTransactionPart] = make_transaction_part();
#endif
#if __has_include("engine/topic/cursor_part.h")
  parts[kCursorPart] = make_cursor_part();
#endif
  return parts;
}

}  // namespace keelson::topic
