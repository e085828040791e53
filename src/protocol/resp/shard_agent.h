// What the kv service keeps beside a shard's engine: who waits for its keys, who watches them, and what happened to
// them and must be told (keyspace notifications).
//
// Used by one thread at a time: the shard's owner, or its borrower while the shard is lent. None of it outlives a
// restart.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/kv/events.h"
#include "engine/kv/kv_engine.h"
#include "protocol/resp/config.h"
#include "shard/shard.h"

namespace keelson::resp {

class BlockedKey;
class InternalWrite;
class KvService;

class ShardAgent final : public kv::Observer, public shard::ShardListener {
 public:
  ShardAgent(KvService& service, shard::Shard& shard);
  ~ShardAgent() override;

  // kv::Observer, during apply().
  void key_changed(uint16_t database, std::string_view key) override;
  void notify(kv::EventClass event_class, std::string_view event, uint16_t database, std::string_view key) override;
  void key_ready(uint16_t database, std::string_view key) override;
  void database_changed(uint16_t database) override;

  // shard::ShardListener: serves blocked clients and publishes what happened. Owner.
  void applied(shard::Shard& shard) override;
  void replaced(shard::Shard& shard) override { database_changed(kAllDatabases); }
  // Clients that block on keys of slots that are gone are told so; the others may find that their keys have come.
  void slots_changed(shard::Shard& shard) override;

  // WATCH: counts the watcher in and returns the key's version, which grows with every change. unwatch() counts it out.
  struct Watch {
    uint64_t version = 0;
    bool exists = false;
  };
  Watch watch(uint16_t database, std::string_view key, int64_t now_ms);
  void unwatch(uint16_t database, std::string_view key);
  // Has the key changed, or expired, since watch() returned `seen`?
  [[nodiscard]] bool is_changed(uint16_t database, std::string_view key, Watch seen, int64_t now_ms);

  // A blocked client queues for its key, and is served at once if it can be, or refused if the shard has not got the
  // slot. Owner.
  void enqueue(BlockedKey& waiter);
  // It does not wait any more (a no-op if it is not in the queue). Owner.
  void leave(BlockedKey& waiter);
  // The command that served `waiter` has ended: it is content and goes, or it found nothing and keeps its place. Owner.
  void served(BlockedKey& waiter, bool is_content);

  // Deletes keys whose time is over: at most about `keys_max`. True if more may be left. Owner.
  bool expire_due_keys(size_t keys_max);
  // Evicts up to `keys_max` keys by the policy; returns how many it picked. Owner.
  size_t evict_keys(const KvConfig& config, size_t keys_max);
  // Frees a slice of what was deleted in the background. True if more is left. Owner.
  bool free_lazily();

  [[nodiscard]] kv::Keyspace& keyspace() { return engine_.keyspace(); }
  [[nodiscard]] kv::KvEngine& engine() { return engine_; }
  [[nodiscard]] shard::Shard& shard() { return shard_; }

 private:
  struct KeyName {
    uint16_t database = 0;
    std::string key;
  };
  struct KeyView {
    uint16_t database = 0;
    std::string_view key;
  };
  struct KeyLess {
    using is_transparent = void;
    static std::pair<uint16_t, std::string_view> of(const KeyName& name) { return {name.database, name.key}; }
    static std::pair<uint16_t, std::string_view> of(const KeyView& view) { return {view.database, view.key}; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return of(a) < of(b);
    }
  };
  // First come, first served; `serving` is the one whose command is under way.
  struct KeyQueue {
    std::deque<BlockedKey*> waiters;
    BlockedKey* serving = nullptr;
  };
  struct WatchedKey {
    uint64_t version = 0;
    uint32_t watchers = 0;
  };
  struct Event {
    kv::EventClass event_class;
    std::string event;
    uint16_t database;
    std::string key;
  };

  [[nodiscard]] bool may_decide(size_t under_way_max) const;
  // Of a key's slot: another shard has it; writes are applied.
  [[nodiscard]] bool is_gone(std::string_view key) const;
  void hide_others_slots();
  [[nodiscard]] bool may_write(std::string_view key) const;
  void serve_ready();
  void serve(uint16_t database, const std::string& key);
  void erase_if_unused(uint16_t database, std::string_view key);

  KvService& service_;
  shard::Shard& shard_;
  kv::KvEngine& engine_;
  uint64_t version_ = 0;
  std::map<KeyName, WatchedKey, KeyLess> watched_;
  std::map<KeyName, KeyQueue, KeyLess> blocked_;
  std::vector<KeyName> ready_;
  bool is_serving_ready_ = false;
  std::vector<Event> events_;
  // Keys whose time is over, but which are not this shard's to remove, so that others behind them have their turn.
  size_t expiries_passed_ = 0;
};

}  // namespace keelson::resp
