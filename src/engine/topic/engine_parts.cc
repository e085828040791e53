#include "engine/topic/engine_parts.h"

#include "engine/topic/cursor_part.h"
#include "engine/topic/group_part.h"
#include "engine/topic/transaction_part.h"

namespace keelson::topic {

std::array<std::unique_ptr<Part>, kPartCount> make_parts() {
  std::array<std::unique_ptr<Part>, kPartCount> parts;
  parts[kGroupPart] = make_group_part();
  parts[kTransactionPart] = make_transaction_part();
  parts[kCursorPart] = make_cursor_part();
  return parts;
}

}  // namespace keelson::topic
