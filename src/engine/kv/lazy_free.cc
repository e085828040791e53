#include "engine/kv/lazy_free.h"

#include <algorithm>
#include <cstdint>

#include "engine/kv/keyspace.h"

namespace keelson::kv {

LazyFree::~LazyFree() { step(SIZE_MAX); }

bool LazyFree::step(size_t budget) {
  while (budget > 0 && !objects_.empty()) {
    if (!drain_object(objects_.front(), budget)) return true;
    objects_.pop_front();
    budget -= std::min<size_t>(budget, 1);
  }
  while (budget > 0 && !databases_.empty()) {
    Database& database = *databases_.front();
    if (database.expiries.drain(std::min(budget, database.expiries.size() + 1))) {
      return true;
    }
    // A segment at a time; its entries' objects may go to objects_.
    const size_t before = database.table.size();
    const bool has_more = database.table.drain(budget, [this](Entry* entry) {
      if (entry->is_object()) keyspace_.drop(entry->object());
      Entry::destroy(entry);
    });
    budget -= std::min(budget, before - database.table.size() + 1);
    if (!has_more) databases_.pop_front();
    while (budget > 0 && !objects_.empty()) {
      if (!drain_object(objects_.front(), budget)) return true;
      objects_.pop_front();
    }
  }
  return pending() != 0;
}

}  // namespace keelson::kv
