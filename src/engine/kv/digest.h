// Digests of a keyspace, for DEBUG DIGEST and DEBUG DIGEST-VALUE, and for tests that compare states.
//
// Built as Redis builds them: SHA-1 over parts, xored where order does not matter (members of sets, hashes; keys) and
// chained where it does (lists). They do not depend on encodings, on order of hashing or on clocks. Expiry counts only
// as being there or not, as in Redis. Exact digests of several
// keyspaces are combined by xor.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/kv/keyspace.h"

namespace keelson::kv {

using Digest = std::array<uint8_t, 20>;

// DEBUG DIGEST-VALUE key.
[[nodiscard]] Digest digest_value(const Value& value);
// DEBUG DIGEST of all shards of a node, equal to Redis's for the same keys: add every keyspace, then finish().
class DatasetDigest {
 public:
  void add(Keyspace& keyspace, int64_t now_ms);
  [[nodiscard]] Digest finish() const;

 private:
  struct OneDatabase {
    Digest keys{};
    bool has_keys = false;
  };
  std::vector<OneDatabase> databases_;
};

// The same of one keyspace alone. All keys of all databases, those that are due at now_ms left out (Redis counts them;
// here the same state must give the same digest however far active expiry has come).
[[nodiscard]] Digest digest_keyspace(Keyspace& keyspace, int64_t now_ms);
// Also covers the exact expiries and the order of sets: equal only if the replicated state is the same.
[[nodiscard]] Digest digest_exact(Keyspace& keyspace);
void combine(Digest& into, const Digest& other);
[[nodiscard]] std::string to_hex(const Digest& digest);

}  // namespace keelson::kv
