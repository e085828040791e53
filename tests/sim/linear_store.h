// A whole store with revisions, as etcd's v3 API has it, as linear.h judges it: every answer names the revision that it
// saw or made, so the history must be strictly serializable over all keys, and each revision made exactly once.
//
// Rules (etcd's KV API, api/v3/etcdserverpb/rpc.proto and kv.proto): a call that changes anything makes the next
// revision, whatever number of keys it changes; a call that changes nothing makes none. A key has the revision of its
// creation, that of its last change, and a version that counts changes from 1; deletion ends all three.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/linear.h"

namespace keelson::sim_test::linear {

struct StoredKey {
  std::string value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  bool operator==(const StoredKey&) const = default;
};
using StoredKeys = std::map<std::string, StoredKey>;

struct StoreCompare {
  enum class Target : uint8_t { kVersion, kCreate, kMod, kValue, kLease };
  enum class Relation : uint8_t { kEqual, kGreater, kLess, kNotEqual };
  std::string key;
  Target target = Target::kVersion;
  Relation relation = Relation::kEqual;
  int64_t number = 0;
  std::string value;
};

struct StoreOperation {
  enum class Kind : uint8_t {
    kRange,   // key .. end, as of `revision` or now
    kPut,     // key, value, lease
    kDelete,  // key .. end
    kRevoke,  // lease: deletes its keys; what a lease that ran out does too
  };
  Kind kind = Kind::kRange;
  std::string key;
  std::string end;  // behind the last key; empty: the key alone
  std::string value;
  int64_t lease = 0;
  int64_t revision = 0;  // of a range: 0 is now
  // The answer.
  StoredKeys found;   // of a range
  int64_t count = 0;  // of a delete

  [[nodiscard]] bool covers(const std::string& other) const {
    return end.empty() ? other == key : other >= key && other < end;
  }
};

// What ranges of the past have found at each revision; see judge_store().
using PastRanges = std::map<int64_t, std::vector<const StoreOperation*>>;

struct StoreCall {
  std::vector<StoreCompare> compares;  // all must hold for `then`
  std::vector<StoreOperation> then, otherwise;
  // The answer. For a call without one: the revision that it made, if that is known from elsewhere (a watch), else 0.
  int64_t revision = 0;
  bool has_succeeded = true;
  const PastRanges* past = nullptr;  // judge_store()'s
};

struct StoreModel {
  struct State {
    int64_t revision = 1;  // of an empty store
    StoredKeys keys;
    bool operator==(const State&) const = default;
  };
  using Call = StoreCall;
  static bool step(State& state, const Call& call, bool is_answered);
  static bool is_read(const Call& call);
  static uint64_t hash(const State& state);
  static std::string text(const State& state);
  static std::string text(const Call& call, bool is_answered);
};

using StoreHistory = std::vector<Recorded<StoreCall>>;

// What a range of the past has found holds for its revision from the moment that it is made: a call can only have made
// the revision if the ranges agree, so of several orders that explain all other answers one is found that explains
// these too. Ranges of revisions that nobody knows any more were errors and stand in no history.
Judgement judge_store(const StoreHistory& history, Limits limits = {});

}  // namespace keelson::sim_test::linear
