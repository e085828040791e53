// Where the coordination engine's answers go: one call for each part, in the order in which commands.h says, so that a
// protocol can write its message straight from the views, which hold for the length of the call.
//
// An answer is failed() alone, or ends with the last call that its command names. Every last call carries the store's
// revision after the command (what etcd's header.revision says). A sink overrides what its command can be answered
// with; a call that it did not expect is a defect of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/coord/errors.h"
#include "engine/coord/types.h"
#include "engine/engine.h"

namespace keelson::coord {

struct Failure {
  CoordErrc code = CoordErrc::kOk;
  Revision revision = 0;
  Revision compact_revision = 0;  // of the store; 0: never compacted
};

struct RangeAnswer {
  // The store's; within a transaction that has changed something so far, the transaction's.
  Revision revision = 0;
  int64_t count = 0;  // keys in the range, whatever limit and bounds of revisions have left of them
  bool more = false;
};

struct LeaseInfo {
  LeaseId id = 0;
  int64_t granted_ttl_s = 0;
  uint64_t grant = 0;  // tells leases apart that had the same id one after another
};

struct EventsAnswer {
  Revision revision = 0;          // the store's
  Revision compact_revision = 0;  // the store's
  // Where to go on: everything before has been told. Done when next is greater than the `to` that was asked for.
  Revision next = 0;
  uint32_t next_sub = 0;
};

struct HashAnswer {
  Revision revision = 0;          // the store's
  Revision hash_revision = 0;     // HashKv::revision of the next page
  Revision compact_revision = 0;  // of this hash
  uint64_t state = 0;             // the hash, if is_done
  std::string_view next_key{};
  bool is_done = false;
};

struct StoreStatusAnswer {
  Revision revision = 0;
  Revision compact_revision = 0;
  uint64_t keys = 0;      // present
  uint64_t versions = 0;  // held, deletions included
  uint64_t leases = 0;
  uint64_t bytes_held = 0;    // of memory, about
  uint64_t bytes_in_use = 0;  // of keys and values that are present
};

struct AuthStatusAnswer {
  Revision revision = 0;
  bool is_enabled = false;
  uint64_t auth_revision = 0;
};

struct SecretAnswer {
  Revision revision = 0;
  uint64_t auth_revision = 0;
  std::string_view password_hash{};
  bool no_password = false;
};

class AnswerSink : public engine::ReplySink {
 public:
  // Nothing has changed; nothing was or will be said besides.
  virtual void failed(const Failure& failure) = 0;
  // The answer of a command that has only a header.
  virtual void done(Revision revision);
  virtual void key_value(const KeyValue& kv);
  virtual void range(const RangeAnswer& answer);
  // prev: null if not asked for, or not there.
  virtual void put(Revision revision, const KeyValue* prev);
  virtual void deleted(Revision revision, int64_t count);
  // A transaction, or one within it. Each of the `operations` of the branch taken follows with its own calls.
  virtual void txn_begin(bool succeeded, size_t operations);
  virtual void txn_end(Revision revision);
  virtual void lease_granted(Revision revision, const LeaseInfo& lease);
  virtual void lease_key(std::string_view key);
  virtual void lease(Revision revision, const LeaseInfo& lease);
  virtual void event(const Event& event);
  virtual void events(const EventsAnswer& answer);
  virtual void hash(const HashAnswer& answer);
  virtual void store_status(const StoreStatusAnswer& answer);
  virtual void auth_status(const AuthStatusAnswer& answer);
  virtual void secret(const SecretAnswer& answer);
  virtual void user(Revision revision, std::span<const std::string_view> roles);
  virtual void name(std::string_view name);
  virtual void permission(const Permission& permission);
  virtual void alarm(const Alarm& alarm);
};

// Hears nothing: for replays, and for records that nobody here waits for.
class SilentSink final : public AnswerSink {
 public:
  void failed(const Failure&) override {}
  void done(Revision) override {}
  void key_value(const KeyValue&) override {}
  void range(const RangeAnswer&) override {}
  void put(Revision, const KeyValue*) override {}
  void deleted(Revision, int64_t) override {}
  void txn_begin(bool, size_t) override {}
  void txn_end(Revision) override {}
  void lease_granted(Revision, const LeaseInfo&) override {}
  void lease_key(std::string_view) override {}
  void lease(Revision, const LeaseInfo&) override {}
  void event(const Event&) override {}
  void events(const EventsAnswer&) override {}
  void hash(const HashAnswer&) override {}
  void store_status(const StoreStatusAnswer&) override {}
  void auth_status(const AuthStatusAnswer&) override {}
  void secret(const SecretAnswer&) override {}
  void user(Revision, std::span<const std::string_view>) override {}
  void name(std::string_view) override {}
  void permission(const Permission&) override {}
  void alarm(const Alarm&) override {}
};

}  // namespace keelson::coord
