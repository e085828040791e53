#include "protocol/resp/shard_agent.h"

#include <algorithm>
#include <list>
#include <memory>

#include "base/check.h"
#include "base/crc16.h"
#include "engine/kv/keyspace.h"
#include "protocol/resp/blocking.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/service.h"
#include "shard/replica.h"

namespace keelson::resp {

namespace {
// Elements freed in one slice of lazy freeing: well under a millisecond.
constexpr size_t kLazyFreeBudget = 1000;
// Of one replicated shard: what a commit of some milliseconds takes along.
constexpr size_t kEvictionsUnderWayMax = 64;
// While slots of a shard move, some of its keys are not its own: how many more keys than wanted a look for those whose
// time is over may meet (some 100 ns each), and how many of them a choice of victims may meet.
constexpr size_t kExpiryLooks = 10;
constexpr size_t kVictimsPassedMax = 64;
}  // namespace

// A command of the server's own: deletes keys whose time is over, or which had to make room. The shard has it
// while it is under way.
class InternalWrite final : public shard::Operation {
 public:
  InternalWrite(uint16_t code, uint16_t database, shard::Shard& shard) : shard_(shard) {
    const kv::CommandSpec* spec = kv::command_by_code(code);
    KEELSON_CHECK(spec != nullptr, "internal commands are in the table");
    command_ = {spec->code, database, {}};
    name_ = spec->name;
    is_write = true;
  }
  void add_key(std::string_view key) { keys_.emplace_back(key); }
  [[nodiscard]] size_t count() const { return keys_.size(); }
  [[nodiscard]] uint16_t database() const { return command_.space; }
  // Hands `self` to the shard.
  static void submit(std::unique_ptr<InternalWrite> self) {
    self->args_.push_back(self->name_);
    for (const std::string& key : self->keys_) self->args_.push_back(key);
    self->command_.args = self->args_;
    self->commands = {&self->command_, 1};
    InternalWrite& write = *self;
    auto& under_way = write.shard_.listener_operations;
    write.place_ = under_way.insert(under_way.end(), std::move(self));
    write.shard_.submit(write);
  }

  engine::ReplySink& open_reply() override { return unheard_; }
  void finished(shard::LogErrc) override { shard_.listener_operations.erase(place_); }
  [[nodiscard]] uint16_t slot() const override { return key_slot(keys_.front()); }

 private:
  engine::Command command_;
  std::string_view name_;
  std::deque<std::string> keys_;
  std::vector<std::string_view> args_;
  kv::NullReply unheard_;
  shard::Shard& shard_;
  std::list<std::unique_ptr<shard::Operation>>::iterator place_;
};

ShardAgent::ShardAgent(KvService& service, shard::Shard& shard)
    : service_(service), shard_(shard), engine_(static_cast<kv::KvEngine&>(shard.engine())) {
  // What recovery has replayed is nobody's traffic.
  (void)keyspace().take_stats();
  keyspace().set_observer(this);
  shard.set_listener(this);
  hide_others_slots();
}

ShardAgent::~ShardAgent() {
  shard_.set_listener(nullptr);
  keyspace().set_observer(nullptr);
}

void ShardAgent::key_changed(uint16_t database, std::string_view key) {
  if (watched_.empty()) return;
  const auto found = watched_.find(KeyView{database, key});
  if (found != watched_.end()) found->second.version = ++version_;
}

void ShardAgent::notify(kv::EventClass event_class, std::string_view event, uint16_t database, std::string_view key) {
  events_.push_back({event_class, std::string(event), database, std::string(key)});
}

void ShardAgent::key_ready(uint16_t database, std::string_view key) {
  if (blocked_.empty()) return;
  if (blocked_.find(KeyView{database, key}) != blocked_.end()) ready_.push_back({database, std::string(key)});
}

void ShardAgent::database_changed(uint16_t database) {
  for (auto& [name, watched] : watched_) {
    if (database == kAllDatabases || name.database == database) watched.version = ++version_;
  }
  // SWAPDB may have brought what somebody waits for.
  for (const auto& [name, queue] : blocked_) {
    if (database == kAllDatabases || name.database == database) ready_.push_back(name);
  }
}

void ShardAgent::applied(shard::Shard& shard) {
  if (!events_.empty()) {
    Local& local = service_.local(service_.router().reactor_of(shard.id()));
    const std::vector<Event> events = std::exchange(events_, {});
    for (const Event& event : events) {
      service_.pubsub().publish_event(local.reactor, local.config, event.event_class, event.event, event.database,
                                      event.key);
    }
  }
  if (!ready_.empty()) serve_ready();
}

bool ShardAgent::is_gone(std::string_view key) const {
  return shard_.replica() != nullptr &&
         shard_.replica()->slots().for_read(key_slot(key)) == shard::SlotAnswer::kNotOwner;
}

bool ShardAgent::may_write(std::string_view key) const {
  if (shard_.replica() == nullptr || shard_.replica()->slots().ranges().empty()) return true;
  return shard_.replica()->slots().may_write(key_slot(key));
}

void ShardAgent::hide_others_slots() {
  if (shard_.replica() == nullptr) return;
  std::unique_ptr<kv::Keyspace::Slots> hidden;
  for (const shard::SlotRange& range : shard_.replica()->slots().ranges()) {
    if (range.state == shard::SlotState::kOwned || range.state == shard::SlotState::kFrozen) continue;
    if (hidden == nullptr) hidden = std::make_unique<kv::Keyspace::Slots>();
    for (uint32_t slot = range.first; slot <= range.last; ++slot) hidden->set(slot);
  }
  keyspace().hide(std::move(hidden));
}

void ShardAgent::slots_changed(shard::Shard& shard) {
  hide_others_slots();
  std::vector<KeyName> names;
  for (const auto& [name, queue] : blocked_) names.push_back(name);
  for (KeyName& name : names) {
    if (!is_gone(name.key)) {
      // What came by a move has told nobody.
      ready_.push_back(std::move(name));
      continue;
    }
    const auto found = blocked_.find(KeyView{name.database, name.key});
    KeyQueue& queue = found->second;
    // The one whose command is under way gets its answer from that.
    for (BlockedKey* waiter : queue.waiters) {
      if (waiter == queue.serving) continue;
      waiter->is_queued = false;
      if (waiter->wait().try_claim()) waiter->wait().refuse(shard::LogErrc::kNotOwner, *waiter);
    }
    std::erase_if(queue.waiters, [](const BlockedKey* waiter) { return !waiter->is_queued; });
    erase_if_unused(name.database, name.key);
  }
  if (!ready_.empty()) serve_ready();
}

void ShardAgent::serve_ready() {
  // A command that serves one client may make further keys ready, and comes back here.
  if (is_serving_ready_) return;
  is_serving_ready_ = true;
  while (!ready_.empty()) {
    const std::vector<KeyName> ready = std::exchange(ready_, {});
    for (const KeyName& name : ready) serve(name.database, name.key);
  }
  is_serving_ready_ = false;
}

void ShardAgent::serve(uint16_t database, const std::string& key) {
  for (;;) {
    const auto found = blocked_.find(KeyView{database, key});
    if (found == blocked_.end() || found->second.serving != nullptr) return;
    KeyQueue& queue = found->second;
    const kv::Value value = keyspace().find(database, key, shard_.last_time_ms(), kv::Touch::kPeek);
    if (!value) return;
    const bool is_list = value.type() == kv::Type::kList;
    if (!is_list && value.type() != kv::Type::kSortedSet) return;
    const WaitsFor kind = is_list ? WaitsFor::kList : WaitsFor::kSortedSet;
    const auto next = std::find_if(queue.waiters.begin(), queue.waiters.end(),
                                   [kind](BlockedKey* waiter) { return waiter->wait().waits_for() == kind; });
    if (next == queue.waiters.end()) return;
    BlockedKey& waiter = **next;
    if (!waiter.wait().try_claim()) {
      // Another key of the same command was first, or the wait is over.
      waiter.is_queued = false;
      queue.waiters.erase(next);
      erase_if_unused(database, key);
      continue;
    }
    queue.serving = &waiter;
    if (waiter.wait().session_pops()) {
      waiter.wait().hand_to_session(waiter);
      return;
    }
    // May end within the call, and then serves the next one through served().
    shard_.submit(waiter);
    return;
  }
}

void ShardAgent::served(BlockedKey& waiter, bool is_content) {
  const auto found = blocked_.find(KeyView{waiter.database(), waiter.key()});
  KEELSON_CHECK(found != blocked_.end() && found->second.serving == &waiter, "only the client being served is served");
  KeyQueue& queue = found->second;
  queue.serving = nullptr;
  if (is_content) {
    std::erase(queue.waiters, &waiter);
    waiter.is_queued = false;
  }
  ready_.push_back({waiter.database(), waiter.key()});
  erase_if_unused(waiter.database(), waiter.key());
  serve_ready();
}

void ShardAgent::enqueue(BlockedKey& waiter) {
  if (is_gone(waiter.key())) {
    if (waiter.wait().try_claim()) waiter.wait().refuse(shard::LogErrc::kNotOwner, waiter);
    return;
  }
  KeyQueue& queue = blocked_[KeyName{waiter.database(), waiter.key()}];
  queue.waiters.push_back(&waiter);
  waiter.is_queued = true;
  // applied() follows, when the shard is given back.
  ready_.push_back({waiter.database(), waiter.key()});
}

void ShardAgent::leave(BlockedKey& waiter) {
  if (!waiter.is_queued) return;
  const auto found = blocked_.find(KeyView{waiter.database(), waiter.key()});
  KEELSON_CHECK(found != blocked_.end(), "a queued client is in its key's queue");
  KEELSON_CHECK(found->second.serving != &waiter, "a client leaves while it is being served");
  std::erase(found->second.waiters, &waiter);
  waiter.is_queued = false;
  erase_if_unused(waiter.database(), waiter.key());
}

void ShardAgent::erase_if_unused(uint16_t database, std::string_view key) {
  const auto found = blocked_.find(KeyView{database, key});
  if (found != blocked_.end() && found->second.waiters.empty() && found->second.serving == nullptr) {
    blocked_.erase(found);
  }
}

ShardAgent::Watch ShardAgent::watch(uint16_t database, std::string_view key, int64_t now_ms) {
  auto found = watched_.find(KeyView{database, key});
  if (found == watched_.end()) found = watched_.emplace(KeyName{database, std::string(key)}, WatchedKey{}).first;
  ++found->second.watchers;
  return {found->second.version, static_cast<bool>(keyspace().find(database, key, now_ms, kv::Touch::kPeek))};
}

void ShardAgent::unwatch(uint16_t database, std::string_view key) {
  const auto found = watched_.find(KeyView{database, key});
  KEELSON_CHECK(found != watched_.end(), "only what is watched is given up");
  if (--found->second.watchers == 0) watched_.erase(found);
}

bool ShardAgent::is_changed(uint16_t database, std::string_view key, Watch seen, int64_t now_ms) {
  const auto found = watched_.find(KeyView{database, key});
  KEELSON_CHECK(found != watched_.end(), "only what is watched is asked for");
  if (found->second.version != seen.version) return true;
  return seen.exists && !keyspace().find(database, key, now_ms, kv::Touch::kPeek);
}

// What nobody asked for is decided in one place; of a replicated shard, with so many decisions under way at most.
bool ShardAgent::may_decide(size_t under_way_max) const {
  return shard_.is_free() && !shard_.damage() && shard_.leads() &&
         (shard_.replica() == nullptr || shard_.listener_operations.size() <= under_way_max);
}

bool ShardAgent::expire_due_keys(size_t keys_max) {
  // Those that are under way would be found again.
  if (!may_decide(0)) return false;
  const int64_t now_ms = shard_.clock().refresh();
  if (const int64_t next = keyspace().next_expiry_ms(); next == kv::kNoExpiry || next > now_ms) return false;
  std::vector<std::unique_ptr<InternalWrite>> writes;
  size_t found = 0;
  size_t passed = 0;
  const bool are_all_own = shard_.replica() == nullptr || shard_.replica()->slots().ranges().empty();
  const size_t looks = are_all_own ? keys_max : keys_max * kExpiryLooks;
  const size_t from = are_all_own ? 0 : expiries_passed_;
  const size_t looked_at = keyspace().due_keys(now_ms, looks, from, [&](uint16_t database, std::string_view key) {
    if (found >= keys_max) return;
    if (!may_write(key)) {
      ++passed;
      return;
    }
    // Of a replicated shard each in a record of its own, for its slot decides on it.
    if (writes.empty() || writes.back()->database() != database || shard_.replica() != nullptr) {
      writes.push_back(std::make_unique<InternalWrite>(kv::code::kExpire, database, shard_));
    }
    writes.back()->add_key(key);
    ++found;
  });
  // All have been seen: from the beginning again.
  expiries_passed_ = looked_at < looks ? 0 : from + passed;
  for (auto& write : writes) InternalWrite::submit(std::move(write));
  return found >= keys_max;
}

size_t ShardAgent::evict_keys(const KvConfig& config, size_t keys_max) {
  if (!may_decide(kEvictionsUnderWayMax)) return 0;
  Local& local = service_.local(service_.router().reactor_of(shard_.id()));
  // Of a replicated shard the key may be rewritten before the decision is applied, and have no expiry then.
  const bool only_volatile = kv::is_volatile_only(keyspace().options().eviction_policy);
  const uint16_t code = only_volatile ? kv::code::kEvictVolatile : kv::code::kEvict;
  size_t evicted = 0;
  size_t passed = 0;
  while (evicted < keys_max) {
    const std::optional<kv::Victim> victim =
        keyspace().pick_victim(config.maxmemory_samples, local.reactor.random().next(), shard_.clock().now_ms());
    if (!victim) break;
    // Of a slot that is being moved: to remove the key is not for this shard to decide.
    if (!may_write(victim->key)) {
      if (++passed > kVictimsPassedMax) break;
      continue;
    }
    auto write = std::make_unique<InternalWrite>(code, victim->database, shard_);
    write->add_key(victim->key);
    InternalWrite::submit(std::move(write));
    ++evicted;
  }
  local.counters.evicted_keys += evicted;
  return evicted;
}

bool ShardAgent::free_lazily() {
  return shard_.is_free() && keyspace().lazy_free_pending() != 0 && keyspace().lazy_free_step(kLazyFreeBudget);
}

}  // namespace keelson::resp
