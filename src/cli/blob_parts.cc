#include "cli/blob_parts.h"

#include <algorithm>

namespace keelson::cli {

namespace {

struct Shared {
  std::span<const PartRange> parts;
  PartWork& work;
  size_t next = 0;
  Status first_error = {};
};

Task<void> work_on(Shared& shared) {
  while (shared.first_error.ok() && shared.next < shared.parts.size()) {
    Status done = co_await shared.work.part(shared.parts[shared.next++]);
    if (!done.ok() && shared.first_error.ok()) shared.first_error = std::move(done);
  }
}

}  // namespace

Task<Status> for_each_part(env::Reactor& reactor, unsigned parallel, std::span<const PartRange> parts, PartWork& work) {
  Shared shared{.parts = parts, .work = work};
  env::TaskScope scope(reactor);
  for (size_t i = 0; i < std::min<size_t>(parallel, parts.size()); ++i) scope.spawn(work_on(shared));
  co_await scope.join();
  co_return std::move(shared.first_error);
}

}  // namespace keelson::cli
