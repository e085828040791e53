// Keyspace: the databases of one shard. Finds keys and hands out typed handles, keeps times to live, clocks and sizes,
// and writes and loads checkpoints. Command handlers stand on this and the *_value.h headers.
//
//   cmd_hset:   auto hash = keyspace.write_or_create<HashValue>(db, key, now_ms);
//               if (hash.wrong_type()) return out.error(kErrWrongType);
//               added += hash->set(field, value);
//               keyspace.changed(db, key, EventClass::kHash, "hset");
//   cmd_hdel:   auto hash = keyspace.write<HashValue>(db, key, now_ms);
//               ... hash->erase(field) ...
//               keyspace.changed(db, key, EventClass::kHash, "hdel");
//               if (keyspace.erase_if_empty(*hash)) keyspace.changed(db, key, EventClass::kGeneric, "del");
//   cmd_get:    auto string = keyspace.read<StringValue>(db, key, now_ms);
//
// How long handles and views last: value.h. `database` must be below options().databases.
//
// Time. `now_ms` is log time. A key whose time has come (expires_at_ms <= now_ms) is not seen by anybody; a write that
// meets one removes it, with the event "expired". Queries change nothing but access clocks, which are not replicated
// state.
//
// Events. Who: a handler calls changed() once for each key it changed, with Redis's event. By itself the keyspace only
// announces expiry ("expired") and keys that a blocked client may wait for (Observer::key_ready, whenever a list or
// sorted set comes to stand under a key that was missing or had another type or another value).
//
// Memory. Nothing large is freed at once: values and databases that are dropped go to a list that lazy_free_step()
// works off in slices; the shard calls it until it says that nothing is left.
//
// Determinism. The same calls give the same state. Addresses and the allocator never matter; the hash's secret sets the
// order of scans.
//
// Threads: one at a time.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crc16.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/kv/events.h"
#include "engine/kv/field_names.h"
#include "engine/kv/hash_value.h"
#include "engine/kv/keyspace_options.h"
#include "engine/kv/list_value.h"
#include "engine/kv/set_value.h"
#include "engine/kv/sorted_set_value.h"
#include "engine/kv/string_value.h"
#include "engine/kv/value.h"

namespace keelson::kv {

class Checkpoint;
class CheckpointLoader;
class Database;
class EvictionPool;
class LazyFree;
class SlotWalks;

// Does an access count for idle time and frequency? (OBJECT, TTL, TYPE, EXISTS ... do not, as in Redis.) A peek is no
// client's look-up and does not count as a hit or miss either.
enum class Touch : uint8_t { kYes, kNo, kPeek };

// What happened since the last take_stats(). Not replicated state.
struct KeyspaceStats {
  uint64_t hits = 0;  // look-ups of readers that found their key
  uint64_t misses = 0;
  uint64_t expired = 0;  // keys removed because their time had come, by whomever
};

struct SetOptions {
  bool keep_expiry = false;           // the key's own, if it has one (SET ... KEEPTTL)
  int64_t expires_at_ms = kNoExpiry;  // if not keep_expiry
};

// A value without a key, for moving within one keyspace. Frees what it holds if it is not put somewhere.
class DetachedValue {
 public:
  DetachedValue() = default;
  DetachedValue(DetachedValue&& other) noexcept : keyspace_(other.keyspace_), entry_(other.entry_) {
    other.entry_ = nullptr;
  }
  DetachedValue& operator=(DetachedValue&& other) noexcept;
  ~DetachedValue();

  [[nodiscard]] explicit operator bool() const { return entry_ != nullptr; }
  [[nodiscard]] Type type() const { return entry_->type(); }
  [[nodiscard]] int64_t expires_at_ms() const { return entry_->has_expiry() ? entry_->expires_at_ms() : kNoExpiry; }

 private:
  friend class Keyspace;
  DetachedValue(Keyspace& keyspace, Entry* entry) : keyspace_(&keyspace), entry_(entry) {}

  Keyspace* keyspace_ = nullptr;
  Entry* entry_ = nullptr;
};

struct Victim {
  uint16_t database = 0;
  std::string key;
};

class Keyspace {
 public:
  explicit Keyspace(const KeyspaceOptions& options);
  ~Keyspace();
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  // Thresholds may be changed here (CONFIG SET); the fixed part may not.
  [[nodiscard]] KeyspaceOptions& options() { return options_; }
  [[nodiscard]] const KeyspaceOptions& options() const { return options_; }
  // Log time, before each command: new entries' access clocks start from it (finding a key sets it as well).
  void tick(int64_t now_ms) {
    if (now_ms != clock_now_ms_) set_clock_time(now_ms);
  }
  // Outlives the keyspace or is set back to null.
  void set_observer(Observer* observer);
  [[nodiscard]] Observer* observer() const { return observer_; }

  // Since the last call; begins anew.
  [[nodiscard]] KeyspaceStats take_stats() { return std::exchange(stats_, {}); }

  // ---- Finding

  // For a reader: any type.
  [[nodiscard]] Value find(uint16_t database, std::string_view key, int64_t now_ms, Touch touch = Touch::kYes);
  // For a writer: removes the key first if its time has come.
  [[nodiscard]] Value find_for_write(uint16_t database, std::string_view key, int64_t now_ms,
                                     Touch touch = Touch::kYes);
  template <class View>
  [[nodiscard]] Found<View> read(uint16_t database, std::string_view key, int64_t now_ms, Touch touch = Touch::kYes) {
    return Found<View>(find(database, key, now_ms, touch));
  }
  template <class View>
  [[nodiscard]] Found<View> write(uint16_t database, std::string_view key, int64_t now_ms) {
    return Found<View>(find_for_write(database, key, now_ms));
  }
  // Makes an empty value if the key is missing: put something into it, or erase it again.
  template <class View>
  [[nodiscard]] Found<View> write_or_create(uint16_t database, std::string_view key, int64_t now_ms) {
    Value value = find_for_write(database, key, now_ms);
    return Found<View>(value ? value : create_value(database, key, View::kType));
  }
  // The key is missing (find_for_write() said so, or it was just erased). Not for strings.
  template <class View>
  [[nodiscard]] View create(uint16_t database, std::string_view key) {
    return View(create_value(database, key, View::kType));
  }
  // Brings what a look-up will touch into the cache: prefetch() for all keys of a batch of commands, then
  // prefetch_entry() for all with the hashes that it returned, then the commands.
  [[nodiscard]] uint64_t prefetch(uint16_t database, std::string_view key) const;
  void prefetch_entry(uint16_t database, uint64_t hash) const;
  // The value of a key, if it stands in an object of its own; else null. For prefetch_member() (big_object.h): good
  // until anything changes.
  [[nodiscard]] const BigObject* large_object(uint16_t database, std::string_view key, uint64_t hash) const;

  // ---- Changing

  // The key is this string afterwards, whatever it was before; if that was due (as of tick()), it expires first.
  // Strings that are the text of an int64 are kept as numbers.
  Value set_string(uint16_t database, std::string_view key, std::string_view bytes, const SetOptions& options = {});
  Value set_integer(uint16_t database, std::string_view key, int64_t value, const SetOptions& options = {});
  // The handle's key is gone afterwards.
  void erase(Value& value);
  // False if there is no such key (one whose time has come counts as none, and is removed).
  bool erase(uint16_t database, std::string_view key, int64_t now_ms);
  // The same, but a key whose time has come is a key like others.
  bool remove(uint16_t database, std::string_view key);
  // Erases the collection if it holds nothing.
  bool erase_if_empty(Value& value);
  // An absolute time, also one in the past (the key is then as good as gone); kNoExpiry: none.
  void set_expiry(Value& value, int64_t expires_at_ms);

  // Takes the value off its key (the key is gone), for put().
  [[nodiscard]] DetachedValue take(Value& value);
  // Puts it under a key, which loses what it had. The time to live comes along, as do the clocks. Only values that this
  // keyspace gave out: between shards a value travels as a DUMP payload (rdb.h).
  Value put(uint16_t database, std::string_view key, DetachedValue&& value);
  // Copies value and time to live to another key, which loses what it had. `from` stays good unless it is that key.
  Value copy(const Value& from, uint16_t database, std::string_view key);

  // All keys of one database or of all, at once; their memory is freed in slices. Tells the observer.
  void flush(uint16_t database);
  void flush_all();
  // SWAPDB. Tells the observer that both have changed; it looks for keys that its waiters want by itself.
  void swap(uint16_t one, uint16_t other);

  // To be called by the handler once for each key that it changed: for WATCH and for keyspace notifications. changed()
  // with no event: only WATCH.
  void changed(uint16_t database, std::string_view key) {
    if (changes_ != nullptr) changes_->key_changed(database, key);
  }
  void changed(uint16_t database, std::string_view key, EventClass event_class, std::string_view event) {
    if (changes_ == nullptr) return;
    changes_->key_changed(database, key);
    notify(database, key, event_class, event);
  }
  // A further event of the same change ("rename_from", "rename_to"; "expire" behind "set").
  void notify(uint16_t database, std::string_view key, EventClass event_class, std::string_view event) {
    if (observer_ != nullptr && (observer_->notify_classes() & static_cast<uint16_t>(event_class)) != 0) {
      observer_->notify(event_class, event, database, key);
    }
  }

  // ---- Sizes, walks, chance

  // Keys, those whose time has come but that are not removed yet included.
  [[nodiscard]] size_t size(uint16_t database) const;
  [[nodiscard]] size_t expiring_count(uint16_t database) const;
  // Of all keys with a time to live, estimated from a sample (INFO keyspace).
  [[nodiscard]] int64_t average_ttl_ms(uint16_t database, int64_t now_ms) const;
  // A key that is alive at now_ms; no handle if there is none (or none was found among many that are due or hidden).
  [[nodiscard]] Value random(uint16_t database, uint64_t seed, int64_t now_ms);
  // SCAN: visits about `count` entries; the result is the next cursor (below 2^48), 0 at the end. Keys that are there
  // from the first call to the last are visited exactly once, however the table grows or shrinks meanwhile. Visits keys
  // that are due as well: look at expires_at_ms(). Do not change the keyspace in `visit`.
  [[nodiscard]] uint64_t scan(uint16_t database, uint64_t cursor, size_t count, FunctionRef<void(const Value&)> visit);

  // Slots whose keys are here, but another shard's: they are on their way here, or have gone and are not deleted yet.
  // Walks for clients (KEYS, SCAN, RANDOMKEY) leave their keys out; nothing else does. Null: none. Not replicated
  // state.
  using Slots = std::bitset<kSlotCount>;
  void hide(std::unique_ptr<const Slots> slots) { hidden_ = std::move(slots); }
  [[nodiscard]] bool is_hidden(std::string_view key) const {
    return hidden_ != nullptr && hidden_->test(key_slot(key));
  }

  // ---- Time to live

  // The earliest expiry of any key in any database, or kNoExpiry.
  [[nodiscard]] int64_t next_expiry_ms() const;
  // Up to `limit` keys with expires_at_ms <= now_ms, the earliest first within each database; how many there were. Do
  // not change the keyspace in `visit`: collect, then log and apply the expiries.
  size_t due_keys(int64_t now_ms, size_t limit,
                  FunctionRef<void(uint16_t database, std::string_view key)> visit) const {
    return due_keys(now_ms, limit, 0, visit);
  }
  // The same without the first `from` keys that have an expiry.
  size_t due_keys(int64_t now_ms, size_t limit, size_t from,
                  FunctionRef<void(uint16_t database, std::string_view key)> visit) const;
  // Removes the key if it is due, with the event "expired". False if it is not (any more).
  bool expire_if_due(uint16_t database, std::string_view key, int64_t now_ms);

  // ---- Idle time, frequency, eviction

  [[nodiscard]] int64_t idle_ms(const Value& value, int64_t now_ms) const;    // OBJECT IDLETIME
  [[nodiscard]] uint8_t frequency(const Value& value, int64_t now_ms) const;  // OBJECT FREQ
  void set_idle(Value& value, int64_t idle_ms_value, int64_t now_ms);         // RESTORE ... IDLETIME
  void set_frequency(Value& value, uint8_t count, int64_t now_ms);            // RESTORE ... FREQ
  // The key to evict next under the policy in options(): the best of what repeated samples of `samples` keys have found
  // (a pool is kept from call to call, as Redis does). None if the policy leaves nothing.
  [[nodiscard]] std::optional<Victim> pick_victim(unsigned samples, uint64_t seed, int64_t now_ms);

  // ---- Memory

  // Frees about `budget` elements' worth (a thousand cost well under 1 ms) of what was dropped; false when nothing is
  // left.
  bool lazy_free_step(size_t budget);
  // Objects (values, databases) that wait to be freed, for INFO's lazyfree_pending_objects.
  [[nodiscard]] size_t lazy_free_pending() const;
  // What the main tables, their directories, the expiry indexes and shared field names take (INFO memory's overhead).
  [[nodiscard]] size_t overhead_bytes() const;

  // ---- Checkpoints (checkpoint.h has the format)

  [[nodiscard]] std::unique_ptr<engine::CheckpointSource> begin_checkpoint();
  [[nodiscard]] Status load_checkpoint(std::string_view piece);
  // One is being written; do not load or reset meanwhile.
  [[nodiscard]] bool has_checkpoint() const { return checkpoint_ != nullptr; }
  // Back to how it was made; frees at once.
  void reset();

  // ---- For the value types, the checkpoint and walks over slots; handlers have no use for these.

  [[nodiscard]] Database& database(uint16_t number) { return *databases_[number]; }
  [[nodiscard]] const Database& database(uint16_t number) const { return *databases_[number]; }
  [[nodiscard]] LazyFree& lazy_free() { return *lazy_free_; }
  [[nodiscard]] FieldNames& field_names() { return field_names_; }
  // The entry has moved from one address (which may hold anything now) to another.
  void entry_moved(uint16_t database, const Entry* from, Entry* to);
  // The object has left its entry: freed at once if it is small, else in slices; by the checkpoint if that still writes
  // it.
  void drop(BigObject* object);
  [[nodiscard]] uint32_t epoch() const { return epoch_; }
  void checkpoint_ended() { checkpoint_ = nullptr; }
  // The walks over slots that are under way (slot_walk.h). While there are any, they are told what has changed, and
  // tell the observer.
  [[nodiscard]] SlotWalks& slot_walks() { return *walks_; }
  void tell_changes_to_walks(bool has_walks);
  // As of tick().
  [[nodiscard]] bool is_due(const Value& value) const;
  // A key that is not due, as of tick(), and leaves no trace of having been looked for.
  [[nodiscard]] Value peek(uint16_t database, std::string_view key);
  // Takes a loaded entry in; false if its key is there already.
  bool link_loaded(uint16_t database, Entry* entry);
  void reserve(uint16_t database, size_t keys);

 private:
  friend class DetachedValue;

  void set_clock_time(int64_t now_ms);
  [[nodiscard]] uint32_t initial_clock() const;
  void touch(Entry& entry);
  Value create_value(uint16_t database, std::string_view key, Type type);
  Value put_string(uint16_t database, std::string_view key, Encoding encoding, std::string_view bytes,
                   const SetOptions& options);
  Entry* overwrite_string(Database& in, Entry* entry, uint64_t hash, Encoding encoding, std::string_view bytes,
                          const SetOptions& options);
  // Tells the checkpoint, if there is one, that something in this hash's segment is about to change.
  void before_change(Database& in, uint64_t hash);
  // Frees the entry and what it holds.
  void free_entry(Entry* entry);
  // Out of the table and the expiry index; the entry is the caller's.
  void unlink(Database& from, Entry* entry, uint64_t hash);
  // Into both, as a new key: clock, events.
  void link(uint16_t database, Entry* entry, uint64_t hash);
  void expire(uint16_t database, Entry* entry, uint64_t hash);
  void flush_keys(uint16_t database);
  std::unique_ptr<Database> exchange_for_empty(uint16_t database);
  void sample_victims(uint16_t database, unsigned samples, uint64_t& chance, int64_t now_ms);

  KeyspaceOptions options_;
  Observer* observer_ = nullptr;
  Observer* changes_ = nullptr;  // who is told which keys have changed: observer_, or walks_
  KeyspaceStats stats_;
  std::vector<std::unique_ptr<Database>> databases_;
  std::unique_ptr<LazyFree> lazy_free_;
  FieldNames field_names_;
  std::unique_ptr<EvictionPool> eviction_pool_;
  std::unique_ptr<CheckpointLoader> loader_;
  std::unique_ptr<SlotWalks> walks_;
  std::unique_ptr<const Slots> hidden_;
  Checkpoint* checkpoint_ = nullptr;  // owned by whoever called begin_checkpoint()
  uint32_t epoch_ = 0;                // of the last checkpoint that was begun

  // Access clocks; not replicated state.
  int64_t clock_now_ms_ = -1;
  uint32_t lru_now_ = 0;  // seconds, modulo 2^24
  uint16_t lfu_now_ = 0;  // minutes, modulo 2^16
  uint64_t clock_chance_ = 0;
};

}  // namespace keelson::kv
