// Work on the parts of one object, several at a time.
#pragma once

#include <span>

#include "base/result.h"
#include "base/task.h"
#include "cli/blob_plan.h"
#include "cli/blob_service.h"
#include "env/reactor.h"

namespace keelson::cli {

class PartWork {
 public:
  virtual ~PartWork() = default;
  virtual Task<Status> part(PartRange range) = 0;
};

// Calls `work` for each, `parallel` of them side by side, as `turns` come. After an error no more are begun; the first
// error is the result, when those under way have ended.
[[nodiscard]] Task<Status> for_each_part(env::Reactor& reactor, Turns& turns, unsigned parallel,
                                         std::span<const PartRange> parts, PartWork& work);

}  // namespace keelson::cli
