#include "engine/kv/slot_walk.h"

#include <algorithm>
#include <system_error>

#include "base/check.h"
#include "base/crc16.h"
#include "engine/kv/command.h"
#include "engine/kv/database.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {
namespace {

// Of one call of next(), so that it costs about 1 ms: keys told (some 300 ns each), and keys looked at, in steps of a
// scan (some 100 ns each, most of it waiting for memory).
constexpr size_t kKeysToldMax = 2048;
constexpr size_t kStepKeys = 64;
constexpr size_t kStepsMax = 64;
// Keys that one _DROP deletes.
constexpr size_t kDropKeysMax = 64;
// What a command takes in a record, and in memory, besides its arguments.
constexpr size_t kCommandBytes = 16;
// Changed keys that wait: more than two million names of ordinary length. A shard whose clients change more than that
// while it is copied cannot be copied.
constexpr size_t kNotedBytesMax = size_t{256} << 20;
// A name's node in the set, allocator included.
constexpr size_t kNoteBytes = 96;
// A value of which this much is in memory is not even serialised to see how large it is.
constexpr size_t kMemoryBytesMax = size_t{512} << 20;
constexpr size_t kMemorySamples = 5;
// Of a name in an error.
constexpr size_t kShownBytesMax = 128;

size_t bytes_of(const engine::OwnedCommand& command) {
  size_t bytes = kCommandBytes;
  for (const std::string& arg : command.args) bytes += arg.size();
  return bytes;
}

std::string name_of(uint16_t command_code) {
  const CommandSpec* spec = command_by_code(command_code);
  KEELSON_CHECK(spec != nullptr, "internal commands are in the table");
  return std::string(spec->name);
}

std::string shown(std::string_view key) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : key.substr(0, kShownBytesMax)) {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return "\"" + text + "\"" + (key.size() > kShownBytesMax ? "..." : "");
}

}  // namespace

struct KeyWalk::Filling {
  std::vector<engine::OwnedCommand>& out;
  const size_t bytes_wanted;
  const size_t begin = out.size();  // what was there before is the caller's
  size_t bytes = 0;
  size_t keys = 0;

  [[nodiscard]] bool is_full() const { return bytes >= bytes_wanted || keys >= kKeysToldMax; }
};

KeyWalk::KeyWalk(Keyspace& keyspace, Kind kind, uint16_t first, uint16_t last)
    : keyspace_(&keyspace), kind_(kind), first_(first), last_(last), places_(keyspace.options().databases) {
  KEELSON_CHECK(first <= last && last < kSlotCount, "a walk over slots that do not exist");
  keyspace.slot_walks().add(*this);
}

KeyWalk::~KeyWalk() {
  if (keyspace_ != nullptr) keyspace_->slot_walks().remove(*this);
}

void KeyWalk::note(Keys& to, uint16_t database, std::string_view key) {
  to.emplace(database, key);
  noted_bytes_ += key.size() + kNoteBytes;
}

void KeyWalk::key_changed(uint16_t database, std::string_view key) {
  if (kind_ == Kind::kWipe || is_lost_ || error_) return;
  const uint16_t slot = key_slot(key);
  if (slot < first_ || slot > last_) return;
  const Place& place = places_[database];
  // A scan's cursor is a hash without its last 16 bits.
  if (!place.is_done && keyspace_->database(database).table.hash(key) >> 16 >= place.cursor) return;
  const std::pair<uint16_t, std::string_view> name{database, key};
  if (turn_.contains(name) || noted_.contains(name)) return;
  if (noted_bytes_ + key.size() + kNoteBytes > kNotedBytesMax) {
    error_.emplace(std::make_error_code(std::errc::no_buffer_space),
                   "kv: more keys of slots " + std::to_string(first_) + " to " + std::to_string(last_) +
                       " have changed while these were copied than are kept in mind (" +
                       std::to_string(kNotedBytesMax >> 20) + " MiB of names); move fewer slots at a time");
    turn_.clear();
    noted_.clear();
    return;
  }
  note(noted_, database, key);
}

void KeyWalk::tell_gone(Filling& filling, uint16_t database, std::string_view key) {
  ++filling.keys;
  filling.bytes += key.size() + kCommandBytes;
  if (filling.out.size() > filling.begin) {
    engine::OwnedCommand& last = filling.out.back();
    if (last.code == code::kDrop && last.space == database && last.args.size() <= kDropKeysMax) {
      last.args.emplace_back(key);
      return;
    }
  }
  static const std::string kName = name_of(code::kDrop);
  filling.out.push_back({code::kDrop, database, {kName, std::string(key)}});
}

void KeyWalk::refuse(std::string_view key, size_t bytes) {
  error_.emplace(std::make_error_code(std::errc::message_size),
                 "kv: the value of key " + shown(key) +
                     " is too large to move to another shard: " + std::to_string(bytes >> 20) +
                     " MiB, and a log record takes " + std::to_string(engine::kSlotWalkCommandBytesMax >> 20));
}

void KeyWalk::tell(Filling& filling, const Value& value) {
  if (kind_ == Kind::kWipe) return tell_gone(filling, value.database(), value.key());
  if (const size_t bytes = value.memory_bytes(kMemorySamples); bytes > kMemoryBytesMax) {
    return refuse(value.key(), bytes);
  }
  static const std::string kName = name_of(code::kTake);
  // 0 would say never.
  const int64_t expires_at_ms = value.expires_at_ms() == kNoExpiry ? 0 : std::max<int64_t>(value.expires_at_ms(), 1);
  engine::OwnedCommand command{
      code::kTake,
      value.database(),
      {kName, std::string(value.key()), std::to_string(expires_at_ms), dump_value(value)},
  };
  const size_t bytes = bytes_of(command);
  if (bytes > engine::kSlotWalkCommandBytesMax) return refuse(value.key(), bytes);
  ++filling.keys;
  filling.bytes += bytes;
  filling.out.push_back(std::move(command));
}

void KeyWalk::tell_noted(Filling& filling) {
  while (!turn_.empty() && !filling.is_full() && !error_) {
    const Key key = std::move(turn_.extract(turn_.begin()).value());
    noted_bytes_ -= key.second.size() + kNoteBytes;
    const Value value = keyspace_->peek(key.first, key.second);
    if (value) {
      tell(filling, value);
    } else {
      tell_gone(filling, key.first, key.second);
    }
  }
}

void KeyWalk::step(Filling& filling) {
  Place& place = places_[walking_];
  const auto database = static_cast<uint16_t>(walking_);
  place.cursor = keyspace_->scan(database, place.cursor, kStepKeys, [&](const Value& value) {
    const uint16_t slot = key_slot(value.key());
    if (slot < first_ || slot > last_ || error_) return;
    // A wipe takes along what only looks gone.
    if (kind_ == Kind::kExport && keyspace_->is_due(value)) return;
    if (filling.is_full()) {
      note(turn_, database, value.key());
    } else {
      tell(filling, value);
    }
  });
  if (place.cursor != 0) return;
  place.is_done = true;
  ++walking_;
}

Result<KeyWalk::State> KeyWalk::next(size_t bytes_wanted, std::vector<engine::OwnedCommand>& out) {
  if (keyspace_ == nullptr || is_lost_) return State::kLost;
  Filling filling{out, std::max<size_t>(bytes_wanted, 1)};
  if (!error_) tell_noted(filling);
  for (size_t i = 0; i < kStepsMax && !is_walked() && !filling.is_full() && !error_; ++i) step(filling);
  if (is_walked() && turn_.empty()) {
    std::swap(turn_, noted_);
    tell_noted(filling);
  }
  if (error_) return std::unexpected<Error>(*error_);
  return is_walked() && turn_.empty() && noted_.empty() ? State::kDrained : State::kMore;
}

SlotWalks::~SlotWalks() {
  for (KeyWalk* walk : walks_) walk->abandon();
}

void SlotWalks::add(KeyWalk& walk) {
  walks_.push_back(&walk);
  keyspace_.tell_changes_to_walks(true);
}

void SlotWalks::remove(KeyWalk& walk) {
  std::erase(walks_, &walk);
  if (walks_.empty()) keyspace_.tell_changes_to_walks(false);
}

void SlotWalks::lose_all() {
  for (KeyWalk* walk : walks_) walk->lose();
}

void SlotWalks::key_changed(uint16_t database, std::string_view key) {
  for (KeyWalk* walk : walks_) walk->key_changed(database, key);
  if (keyspace_.observer() != nullptr) keyspace_.observer()->key_changed(database, key);
}

void SlotWalks::database_changed(uint16_t database) {
  lose_all();
  if (keyspace_.observer() != nullptr) keyspace_.observer()->database_changed(database);
}

void SlotWalks::notify(EventClass event_class, std::string_view event, uint16_t database, std::string_view key) {
  if (keyspace_.observer() != nullptr) keyspace_.observer()->notify(event_class, event, database, key);
}

void SlotWalks::key_ready(uint16_t database, std::string_view key) {
  if (keyspace_.observer() != nullptr) keyspace_.observer()->key_ready(database, key);
}

}  // namespace keelson::kv
