#include "engine/kv/keyspace.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "engine/kv/access_clock.h"
#include "engine/kv/checkpoint.h"
#include "engine/kv/database.h"
#include "engine/kv/eviction_pool.h"
#include "engine/kv/integer_bytes.h"
#include "engine/kv/lazy_free.h"
#include "engine/kv/slot_walk.h"
#include "engine/kv/string_object.h"

namespace keelson::kv {
namespace {

// Objects up to this many elements are freed at once.
constexpr size_t kFreeAtOnceElements = 64;

[[nodiscard]] bool is_due(const Entry& entry, int64_t now_ms) {
  return entry.has_expiry() && entry.expires_at_ms() <= now_ms;
}

}  // namespace

DetachedValue& DetachedValue::operator=(DetachedValue&& other) noexcept {
  std::swap(keyspace_, other.keyspace_);
  std::swap(entry_, other.entry_);
  return *this;
}

DetachedValue::~DetachedValue() {
  if (entry_ != nullptr) keyspace_->free_entry(entry_);
}

Keyspace::Keyspace(const KeyspaceOptions& options)
    : options_(options),
      lazy_free_(std::make_unique<LazyFree>(*this)),
      field_names_(options.hash_secret),
      walks_(std::make_unique<SlotWalks>(*this)) {
  for (unsigned i = 0; i < options.databases; ++i) {
    databases_.push_back(std::make_unique<Database>(options.hash_secret));
  }
}

Keyspace::~Keyspace() { reset(); }

void Keyspace::reset() {
  if (checkpoint_ != nullptr) checkpoint_->abandon();
  checkpoint_ = nullptr;
  walks_->lose_all();
  loader_.reset();
  eviction_pool_.reset();
  for (auto& database : databases_) {
    lazy_free_->add(std::move(database));
    database = std::make_unique<Database>(options_.hash_secret);
  }
  while (lazy_free_->step(SIZE_MAX)) continue;
  field_names_.clear();
}

void Keyspace::set_observer(Observer* observer) {
  observer_ = observer;
  tell_changes_to_walks(!walks_->empty());
}

void Keyspace::tell_changes_to_walks(bool has_walks) { changes_ = has_walks ? walks_.get() : observer_; }

// ---- Clocks

void Keyspace::set_clock_time(int64_t now_ms) {
  clock_now_ms_ = now_ms;
  lru_now_ = lru_clock(now_ms);
  lfu_now_ = lfu_minutes(now_ms);
}

uint32_t Keyspace::initial_clock() const {
  return is_lfu(options_.eviction_policy) ? lfu_clock(lfu_now_, kLfuInitialCount) : lru_now_;
}

void Keyspace::touch(Entry& entry) {
  if (!is_lfu(options_.eviction_policy)) [[likely]] {
    // Written only when it differs, so that reads do not dirty the line.
    if (entry.clock() != lru_now_) entry.set_clock(lru_now_);
    return;
  }
  const uint8_t count = lfu_decayed(entry.clock(), lfu_now_, options_.lfu_decay_time_min);
  clock_chance_ = mix64(clock_chance_ + 0x9e3779b97f4a7c15ULL);
  entry.set_clock(lfu_clock(lfu_now_, lfu_incremented(count, options_.lfu_log_factor, clock_chance_)));
}

// ---- Finding

Value Keyspace::find(uint16_t database, std::string_view key, int64_t now_ms, Touch touch_kind) {
  tick(now_ms);
  Table<EntryTraits>& table = databases_[database]->table;
  Entry* entry = table.find(key, table.hash(key));
  const bool is_there = entry != nullptr && !kv::is_due(*entry, now_ms);
  if (touch_kind != Touch::kPeek) ++(is_there ? stats_.hits : stats_.misses);
  if (!is_there) return {};
  if (touch_kind == Touch::kYes) touch(*entry);
  return {*this, database, entry};
}

Value Keyspace::find_for_write(uint16_t database, std::string_view key, int64_t now_ms, Touch touch_kind) {
  tick(now_ms);
  Database& in = *databases_[database];
  const uint64_t hash = in.table.hash(key);
  Entry* entry = in.table.find(key, hash);
  if (entry == nullptr) return {};
  if (kv::is_due(*entry, now_ms)) {
    expire(database, entry, hash);
    return {};
  }
  before_change(in, hash);
  if (touch_kind == Touch::kYes) touch(*entry);
  return {*this, database, entry};
}

bool Keyspace::is_due(const Value& value) const { return kv::is_due(*value.entry(), clock_now_ms_); }

Value Keyspace::peek(uint16_t database, std::string_view key) {
  Table<EntryTraits>& table = databases_[database]->table;
  Entry* entry = table.find(key, table.hash(key));
  if (entry == nullptr || kv::is_due(*entry, clock_now_ms_)) return {};
  return {*this, database, entry};
}

uint64_t Keyspace::prefetch(uint16_t database, std::string_view key) const {
  const Table<EntryTraits>& table = databases_[database]->table;
  const uint64_t hash = table.hash(key);
  table.prefetch(hash);
  return hash;
}

void Keyspace::prefetch_entry(uint16_t database, uint64_t hash) const {
  databases_[database]->table.prefetch_node(hash);
}

const BigObject* Keyspace::large_object(uint16_t database, std::string_view key, uint64_t hash) const {
  const Entry* entry = databases_[database]->table.find(key, hash);
  return entry != nullptr && entry->is_object() ? entry->object() : nullptr;
}

// ---- Entries in and out of tables

void Keyspace::before_change(Database& in, uint64_t hash) {
  if (checkpoint_ != nullptr) [[unlikely]]
    checkpoint_->before_change(in, hash);
}

void Keyspace::entry_moved(uint16_t database, const Entry* from, Entry* to) {
  Table<EntryTraits>& table = databases_[database]->table;
  table.replace(from, to, table.hash(to->key()));
}

void Keyspace::drop(BigObject* object) {
  if (object->pending() != nullptr) {
    object->pending()->set_orphan();
  } else if (drain_cost(*object) <= kFreeAtOnceElements) {
    size_t budget = SIZE_MAX;
    drain_object(object, budget);
  } else {
    lazy_free_->add(object);
  }
}

void Keyspace::free_entry(Entry* entry) {
  if (entry->is_object()) drop(entry->object());
  Entry::destroy(entry);
}

void Keyspace::unlink(Database& from, Entry* entry, uint64_t hash) {
  before_change(from, hash);
  from.table.erase(entry, hash);
  if (entry->has_expiry()) from.expiries.erase({entry->expires_at_ms(), hash});
}

void Keyspace::link(uint16_t database, Entry* entry, uint64_t hash) {
  Database& in = *databases_[database];
  before_change(in, hash);
  in.table.insert(entry, hash);
  if (entry->has_expiry()) in.expiries.insert({entry->expires_at_ms(), hash});
  if (observer_ == nullptr) return;
  if (entry->type() == Type::kList || entry->type() == Type::kSortedSet) observer_->key_ready(database, entry->key());
  notify(database, entry->key(), EventClass::kNew, "new");
}

bool Keyspace::link_loaded(uint16_t database, Entry* entry) {
  Database& in = *databases_[database];
  const uint64_t hash = in.table.hash(entry->key());
  if (in.table.find(entry->key(), hash) != nullptr) return false;
  in.table.insert(entry, hash);
  if (entry->has_expiry()) in.expiries.insert({entry->expires_at_ms(), hash});
  return true;
}

void Keyspace::reserve(uint16_t database, size_t keys) { databases_[database]->table.reserve(keys); }

Value Keyspace::create_value(uint16_t database, std::string_view key, Type type) {
  KEELSON_CHECK(type != Type::kString, "strings are made by set_string()");
  const bool is_set = type == Type::kSet && options_.set_max_intset_entries > 0;
  const Encoding encoding = is_set ? Encoding::kIntegers : Encoding::kPacked;
  // Empty: no bytes at all.
  Entry* entry = Entry::create(type, encoding, key, kNoExpiry, 0, 0);
  entry->set_clock(initial_clock());
  link(database, entry, databases_[database]->table.hash(key));
  return {*this, database, entry};
}

// ---- Strings

Value Keyspace::set_integer(uint16_t database, std::string_view key, int64_t value, const SetOptions& options) {
  const IntegerBytes packed(value);
  return put_string(database, key, Encoding::kInteger, packed.view(), options);
}

Value Keyspace::set_string(uint16_t database, std::string_view key, std::string_view bytes, const SetOptions& options) {
  if (bytes.size() <= 20 && !bytes.empty() && (bytes[0] == '-' || (bytes[0] >= '0' && bytes[0] <= '9'))) {
    if (const auto number = parse_int64(bytes)) return set_integer(database, key, *number, options);
  }
  if (bytes.size() <= kInlineStringBytesMax) return put_string(database, key, Encoding::kInline, bytes, options);
  auto* object = new StringObject(bytes.size());
  object->assign(bytes);
  const std::string_view address(reinterpret_cast<const char*>(&object), sizeof(object));
  return put_string(database, key, Encoding::kObject, address, options);
}

Value Keyspace::put_string(uint16_t database, std::string_view key, Encoding encoding, std::string_view bytes,
                           const SetOptions& options) {
  Database& in = *databases_[database];
  const uint64_t hash = in.table.hash(key);
  Entry* entry = in.table.find(key, hash);
  if (entry != nullptr && kv::is_due(*entry, clock_now_ms_)) [[unlikely]] {
    expire(database, entry, hash);
    entry = nullptr;
  }
  if (entry != nullptr) {
    before_change(in, hash);
    entry = overwrite_string(in, entry, hash, encoding, bytes, options);
    touch(*entry);
    return {*this, database, entry};
  }
  const int64_t expires_at_ms = options.keep_expiry ? kNoExpiry : options.expires_at_ms;
  entry = Entry::create(Type::kString, encoding, key, expires_at_ms, 0, bytes.size());
  std::copy_n(bytes.data(), bytes.size(), entry->inline_data());
  entry->set_clock(initial_clock());
  link(database, entry, hash);
  return {*this, database, entry};
}

Entry* Keyspace::overwrite_string(Database& in, Entry* entry, uint64_t hash, Encoding encoding, std::string_view bytes,
                                  const SetOptions& options) {
  const int64_t old_expiry = entry->has_expiry() ? entry->expires_at_ms() : kNoExpiry;
  const int64_t new_expiry = options.keep_expiry ? old_expiry : options.expires_at_ms;
  if (new_expiry != old_expiry) {
    if (old_expiry != kNoExpiry) in.expiries.erase({old_expiry, hash});
    if (new_expiry != kNoExpiry) in.expiries.insert({new_expiry, hash});
  }
  if (entry->is_object()) drop(entry->object());
  Entry* now = entry;
  if (entry->type() == Type::kString && entry->has_expiry() == (new_expiry != kNoExpiry)) {
    now = Entry::resize(entry, encoding, bytes.size());
    if (new_expiry != kNoExpiry) now->set_expires_at_ms(new_expiry);
    now->set_raw(false);
  } else {
    now = Entry::create(Type::kString, encoding, entry->key(), new_expiry, 0, bytes.size());
    now->set_clock(entry->clock());
    Entry::destroy(entry);
  }
  std::copy_n(bytes.data(), bytes.size(), now->inline_data());
  if (now != entry) in.table.replace(entry, now, hash);
  return now;
}

// ---- Erasing, moving, copying

void Keyspace::erase(Value& value) {
  Entry* entry = value.entry();
  Database& from = *databases_[value.database()];
  unlink(from, entry, from.table.hash(entry->key()));
  free_entry(entry);
  value = {};
}

bool Keyspace::erase(uint16_t database, std::string_view key, int64_t now_ms) {
  Value value = find_for_write(database, key, now_ms, Touch::kNo);
  if (!value) return false;
  erase(value);
  return true;
}

bool Keyspace::remove(uint16_t database, std::string_view key) {
  Database& from = *databases_[database];
  const uint64_t hash = from.table.hash(key);
  Entry* entry = from.table.find(key, hash);
  if (entry == nullptr) return false;
  unlink(from, entry, hash);
  free_entry(entry);
  return true;
}

bool Keyspace::erase_if_empty(Value& value) {
  size_t size = 1;
  switch (value.type()) {
    case Type::kString:
      return false;
    case Type::kList:
      size = ListValue(value).size();
      break;
    case Type::kSet:
      size = SetValue(value).size();
      break;
    case Type::kSortedSet:
      size = SortedSetValue(value).size();
      break;
    case Type::kHash:
      size = HashValue(value).size();
      break;
  }
  if (size != 0) return false;
  erase(value);
  return true;
}

void Keyspace::set_expiry(Value& value, int64_t expires_at_ms) {
  Entry* entry = value.entry();
  Database& in = *databases_[value.database()];
  const uint64_t hash = in.table.hash(entry->key());
  before_change(in, hash);
  // Times before 1970 are as due as 1970 is.
  if (expires_at_ms != kNoExpiry) expires_at_ms = std::max<int64_t>(expires_at_ms, 0);
  if (entry->has_expiry()) in.expiries.erase({entry->expires_at_ms(), hash});
  Entry* now = Entry::with_expiry(entry, expires_at_ms);
  if (now->has_expiry()) in.expiries.insert({expires_at_ms, hash});
  if (now == entry) return;
  in.table.replace(entry, now, hash);
  value.moved_to(now);
}

DetachedValue Keyspace::take(Value& value) {
  Entry* entry = value.entry();
  Database& from = *databases_[value.database()];
  unlink(from, entry, from.table.hash(entry->key()));
  value = {};
  return {*this, entry};
}

Value Keyspace::put(uint16_t database, std::string_view key, DetachedValue&& value) {
  KEELSON_CHECK(value.keyspace_ == this, "a value is put into another keyspace");
  Entry* from = std::exchange(value.entry_, nullptr);
  Database& in = *databases_[database];
  const uint64_t hash = in.table.hash(key);
  if (Entry* old = in.table.find(key, hash)) {
    unlink(in, old, hash);
    free_entry(old);
  }
  const std::string_view bytes = from->inline_value();
  Entry* entry = Entry::create(from->type(), from->encoding(), key,
                               from->has_expiry() ? from->expires_at_ms() : kNoExpiry, from->flags(), bytes.size());
  std::copy_n(bytes.data(), bytes.size(), entry->inline_data());
  entry->set_clock(from->clock());
  Entry::destroy(from);
  link(database, entry, hash);
  return {*this, database, entry};
}

Value Keyspace::copy(const Value& from, uint16_t database, std::string_view key) {
  Entry* source = from.entry();
  const std::string_view bytes = source->inline_value();
  const int64_t expires_at_ms = source->has_expiry() ? source->expires_at_ms() : kNoExpiry;
  Entry* entry = Entry::create(source->type(), source->encoding(), key, expires_at_ms, source->flags(), bytes.size());
  if (source->is_object()) {
    BigObject* object = copy_object(*source->object(), options_.hash_secret);
    std::memcpy(entry->inline_data(), &object, sizeof(object));
  } else {
    std::copy_n(bytes.data(), bytes.size(), entry->inline_data());
  }
  entry->set_clock(initial_clock());
  Database& in = *databases_[database];
  const uint64_t hash = in.table.hash(key);
  if (Entry* old = in.table.find(key, hash)) {
    unlink(in, old, hash);
    free_entry(old);
  }
  link(database, entry, hash);
  return {*this, database, entry};
}

// ---- Whole databases

std::unique_ptr<Database> Keyspace::exchange_for_empty(uint16_t database) {
  auto empty = std::make_unique<Database>(options_.hash_secret);
  empty->table.set_epoch(epoch_);
  empty->table.set_frozen(checkpoint_ != nullptr);
  return std::exchange(databases_[database], std::move(empty));
}

void Keyspace::flush_keys(uint16_t database) {
  if (databases_[database]->table.size() == 0) return;
  std::unique_ptr<Database> old = exchange_for_empty(database);
  if (checkpoint_ != nullptr) old = checkpoint_->adopt(std::move(old));
  if (old != nullptr) lazy_free_->add(std::move(old));
}

void Keyspace::flush(uint16_t database) {
  flush_keys(database);
  if (changes_ != nullptr) changes_->database_changed(database);
}

void Keyspace::flush_all() {
  for (unsigned i = 0; i < databases_.size(); ++i) flush_keys(static_cast<uint16_t>(i));
  // No hash is left to use them; but a checkpoint may still have some to write.
  if (checkpoint_ == nullptr) field_names_.clear();
  if (changes_ != nullptr) changes_->database_changed(Observer::kAllDatabases);
}

void Keyspace::swap(uint16_t one, uint16_t other) {
  std::swap(databases_[one], databases_[other]);
  if (changes_ == nullptr) return;
  for (const uint16_t number : {one, other}) {
    changes_->database_changed(number);
  }
}

// ---- Sizes, walks, chance

size_t Keyspace::size(uint16_t database) const { return databases_[database]->table.size(); }

size_t Keyspace::expiring_count(uint16_t database) const { return databases_[database]->expiries.size(); }

int64_t Keyspace::average_ttl_ms(uint16_t database, int64_t now_ms) const {
  const auto& expiries = databases_[database]->expiries;
  if (expiries.size() == 0) return 0;
  constexpr size_t kSamples = 16;
  double sum = 0;
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t rank = expiries.size() * (2 * i + 1) / (2 * kSamples);
    sum += static_cast<double>(std::max<int64_t>(expiries.at(rank).at_ms - now_ms, 0));
  }
  return static_cast<int64_t>(sum / kSamples);
}

Value Keyspace::random(uint16_t database, uint64_t seed, int64_t now_ms) {
  const Table<EntryTraits>& table = databases_[database]->table;
  if (table.size() == 0) return {};
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    Entry* entry = table.random(mix64(mix64(seed) + static_cast<uint64_t>(i)));
    if (!kv::is_due(*entry, now_ms) && !is_hidden(entry->key())) return {*this, database, entry};
  }
  return {};
}

uint64_t Keyspace::scan(uint16_t database, uint64_t cursor, size_t count, FunctionRef<void(const Value&)> visit) {
  return databases_[database]->table.scan(cursor, count, [&](Entry* entry) { visit(Value(*this, database, entry)); });
}

// ---- Time to live

int64_t Keyspace::next_expiry_ms() const {
  int64_t least = kNoExpiry;
  for (const auto& database : databases_) {
    if (database->expiries.size() == 0) continue;
    const int64_t first = database->expiries.at(0).at_ms;
    if (least == kNoExpiry || first < least) least = first;
  }
  return least;
}

size_t Keyspace::due_keys(int64_t now_ms, size_t limit, size_t from,
                          FunctionRef<void(uint16_t database, std::string_view key)> visit) const {
  size_t visited = 0;
  for (unsigned i = 0; i < databases_.size() && visited < limit; ++i) {
    const Database& in = *databases_[i];
    const size_t first = std::min(from, in.expiries.size());
    from -= first;
    in.expiries.for_range(first, limit - visited, [&](const ExpiryKey& key) {
      if (key.at_ms > now_ms) return false;
      const Entry* entry = in.table.find_where(key.hash, [&](const Entry& candidate) {
        return candidate.has_expiry() && candidate.expires_at_ms() == key.at_ms &&
               in.table.hash(candidate.key()) == key.hash;
      });
      KEELSON_CHECK(entry != nullptr, "a key in the index of expiries is not in its table");
      visit(static_cast<uint16_t>(i), entry->key());
      ++visited;
      return true;
    });
  }
  return visited;
}

void Keyspace::expire(uint16_t database, Entry* entry, uint64_t hash) {
  ++stats_.expired;
  unlink(*databases_[database], entry, hash);
  changed(database, entry->key(), EventClass::kExpired, "expired");
  free_entry(entry);
}

bool Keyspace::expire_if_due(uint16_t database, std::string_view key, int64_t now_ms) {
  const Table<EntryTraits>& table = databases_[database]->table;
  const uint64_t hash = table.hash(key);
  Entry* entry = table.find(key, hash);
  if (entry == nullptr || !kv::is_due(*entry, now_ms)) return false;
  expire(database, entry, hash);
  return true;
}

// ---- Memory

bool Keyspace::lazy_free_step(size_t budget) { return lazy_free_->step(budget); }

size_t Keyspace::lazy_free_pending() const { return lazy_free_->pending(); }

size_t Keyspace::overhead_bytes() const {
  size_t bytes = field_names_.bytes();
  for (const auto& database : databases_) bytes += database->table.bytes() + database->expiries.bytes();
  return bytes;
}

// ---- Checkpoints

std::unique_ptr<engine::CheckpointSource> Keyspace::begin_checkpoint() {
  KEELSON_CHECK(checkpoint_ == nullptr, "a checkpoint is begun while another is under way");
  auto checkpoint = std::make_unique<Checkpoint>(*this, ++epoch_);
  checkpoint_ = checkpoint.get();
  return checkpoint;
}

Status Keyspace::load_checkpoint(std::string_view piece) {
  walks_->lose_all();
  if (loader_ == nullptr) loader_ = std::make_unique<CheckpointLoader>(*this);
  return loader_->load(piece);
}

}  // namespace keelson::kv
