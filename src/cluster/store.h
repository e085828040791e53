// The cluster's keys (state.h) in the system shard, read and changed through the coordination service.
//
// Reactor 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cluster/state.h"
#include "coord/service.h"
#include "env/reactor.h"

namespace keelson::cluster {

struct StoredKey {
  std::string key;
  std::string value;
  int64_t mod_revision = 0;
};

struct StoredKeys {
  int64_t revision = 0;  // of the store
  std::vector<StoredKey> keys;
};

// A change that happens if nobody has touched those keys meanwhile.
struct KeyChange {
  std::vector<std::pair<std::string, int64_t>> unchanged;  // key, mod revision; 0: not there
  int64_t seen = 0;  // not 0: nor has any of the keys that are put been changed behind this revision of the store
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<std::string> deletes = {};  // keys that need not be there
};

class Store {
 public:
  Store(coord::Service& service, env::Reactor& home) : service_(service), home_(home) {}

  // Every key of the prefix. `is_linearizable`: what was answered anywhere before is in it; else what this node's
  // replica has.
  Task<Result<StoredKeys>> read(std::string prefix, std::string prefix_end, bool is_linearizable);
  // One key; mod_revision 0: not there.
  Task<Result<StoredKey>> get(std::string key);
  // False: somebody was faster, and nothing has changed. kFailed: maybe it has (kNoLeader: it has not).
  Task<Result<bool>> change(KeyChange change);
  // The same with the revision of the change, which is the mod revision of what was put; 0: somebody was faster.
  Task<Result<int64_t>> change_at(KeyChange change);

 private:
  coord::Service& service_;
  env::Reactor& home_;
};

}  // namespace keelson::cluster
