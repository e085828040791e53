#include "cli/blob_parts.h"

#include <algorithm>

namespace keelson::cli {

namespace {

struct Shared {
  std::span<const PartRange> parts;
  PartWork& work;
  Turns& turns;
  size_t next = 0;
  Status first_error = {};
};

Task<void> work_on(Shared& shared) {
  while (shared.first_error.ok() && shared.next < shared.parts.size()) {
    co_await shared.turns.take();
    // Others may have ended the work, or taken the last part, meanwhile.
    Status done;
    if (shared.first_error.ok() && shared.next < shared.parts.size()) {
      done = co_await shared.work.part(shared.parts[shared.next++]);
    }
    shared.turns.give_back();
    if (!done.ok() && shared.first_error.ok()) shared.first_error = std::move(done);
  }
}

}  // namespace

Task<Status> for_each_part(env::Reactor& reactor, Turns& turns, unsigned parallel, std::span<const PartRange> parts,
                           PartWork& work) {
  Shared shared{.parts = parts, .work = work, .turns = turns};
  env::TaskScope scope(reactor);
  for (size_t i = 0; i < std::min<size_t>(parallel, parts.size()); ++i) scope.spawn(work_on(shared));
  co_await scope.join();
  co_return std::move(shared.first_error);
}

}  // namespace keelson::cli
