// LazyFree: what was dropped and is too large to be freed at once: objects, and whole databases. Worked off in slices.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "engine/kv/big_object.h"
#include "engine/kv/database.h"

namespace keelson::kv {

class Keyspace;

class LazyFree {
 public:
  explicit LazyFree(Keyspace& keyspace) : keyspace_(keyspace) {}
  // Frees the rest at once.
  ~LazyFree();
  LazyFree(const LazyFree&) = delete;
  LazyFree& operator=(const LazyFree&) = delete;

  void add(BigObject* object) { objects_.push_back(object); }
  void add(std::unique_ptr<Database> database) { databases_.push_back(std::move(database)); }
  // Frees about `budget` elements; false when nothing is left.
  bool step(size_t budget);
  [[nodiscard]] size_t pending() const { return objects_.size() + databases_.size(); }

 private:
  Keyspace& keyspace_;
  std::deque<BigObject*> objects_;
  std::deque<std::unique_ptr<Database>> databases_;
};

}  // namespace keelson::kv
