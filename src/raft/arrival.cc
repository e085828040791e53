#include "raft/arrival.h"

#include "base/logging.h"

namespace keelson::raft {

Arrival::~Arrival() {
  remove(path_);
  for (const SideFile& one : beside_) remove(one.path);
}

// What cannot be removed now is removed at the next start.
void Arrival::remove(const std::string& path) {
  if (path.empty()) return;
  const Status removed = disk_->remove(path);
  if (!removed.ok()) log_warn("raft", "a file stays for now", {{"why", removed.error().message()}});
}

}  // namespace keelson::raft
