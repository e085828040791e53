// The words of the coordination engine: keys with revisions, leases, permissions. The model is etcd's (its API
// reference, "data model"): a revision counts the records that changed keys, all keys changed by one record share it,
// and each change within has a growing sub-revision.
//
// Views hold for the length of the call that hands them over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keelson::coord {

// 1 in an empty store; the first change makes 2. 0: none, or "the present one".
using Revision = int64_t;
// 0: none.
using LeaseId = int64_t;

// A range of keys [key, range_end), by etcd's conventions:
//   range_end empty     the one key
//   range_end "\0"      all keys from `key` on
//   range_end <= key    nothing
// A prefix is its own bytes and the same with the last byte one higher.
inline constexpr std::string_view kFromKeyOn{"\0", 1};

// Bounds what one key takes in an index; etcd's own limit is that of the whole request (1.5 MiB by default).
inline constexpr size_t kKeyBytesMax = (size_t{1} << 24) - 1;
inline constexpr size_t kValueBytesMax = (size_t{1} << 31) - 1;
// Transactions within transactions: bounds recursion over what arrives from outside. etcd has no limit but its
// request's size; its clients nest one or two.
inline constexpr size_t kTxnDepthMax = 16;
// Leases live at least this long: three halves of etcd's election timeout of 1 s, in whole seconds, so that a lease
// outlives a change of leader. A shorter TTL is raised. The upper bound is etcd's (about 285 years).
inline constexpr int64_t kLeaseTtlMinS = 2;
inline constexpr int64_t kLeaseTtlMaxS = 9'000'000'000;

struct KeyValue {
  std::string_view key{};
  std::string_view value{};
  Revision create_revision = 0;
  Revision mod_revision = 0;
  int64_t version = 0;  // counts changes since creation; 0: the key was deleted here
  LeaseId lease = 0;
  [[nodiscard]] bool is_deletion() const { return version == 0; }
  bool operator==(const KeyValue&) const = default;
};

// One change of one key. All events of a revision follow one another, in the order of their sub-revisions.
struct Event {
  KeyValue kv;  // of a deletion: the key and mod_revision alone
  // The key's last state before; null if it had none, or if that is compacted.
  const KeyValue* prev_kv = nullptr;
  uint32_t sub = 0;
  bool is_last_of_revision = false;
};

// Who asks. Views into the request or the record.
struct Caller {
  std::string_view user{};     // empty: nobody has said
  uint64_t auth_revision = 0;  // at which the user's token was looked at; 0: no token
  // The house itself (dynamic configuration, expiry): may do everything.
  bool is_internal = false;
};

enum class Access : uint8_t { kRead = 0, kWrite = 1, kReadWrite = 2 };

struct Permission {
  Access access = Access::kRead;
  std::string_view key{};
  std::string_view range_end{};
  bool operator==(const Permission&) const = default;
};

enum class AlarmType : uint8_t { kNone = 0, kNoSpace = 1, kCorrupt = 2 };

struct Alarm {
  uint64_t member = 0;
  AlarmType type = AlarmType::kNone;
  auto operator<=>(const Alarm&) const = default;
};

}  // namespace keelson::coord
