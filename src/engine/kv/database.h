// Database: one numbered database of a keyspace: its keys, and those with a time to live in the order of their expiry.
#pragma once

#include <cstdint>

#include "engine/kv/entry.h"
#include "engine/kv/order_tree.h"
#include "engine/kv/table.h"

namespace keelson::kv {

struct EntryTraits {
  using Node = Entry;
  static std::string_view key(const Entry& entry) { return entry.key(); }
};

struct ExpiryKey {
  int64_t at_ms = 0;
  uint64_t hash = 0;  // of the key
};

struct ExpiryTraits {
  using Key = ExpiryKey;
  static bool less(const ExpiryKey& a, const ExpiryKey& b) {
    return a.at_ms != b.at_ms ? a.at_ms < b.at_ms : a.hash < b.hash;
  }
};

class Database {
 public:
  explicit Database(uint64_t hash_secret) : table(hash_secret) {}

  Table<EntryTraits> table;
  // Two keys with the same expiry and hash stand there twice.
  OrderTree<ExpiryTraits> expiries;
};

}  // namespace keelson::kv
