// Walks over the keys of some slots of a keyspace (engine/engine.h, SlotWalk): what moves slots between shards.
//
// An export keeps for each database the hash up to which all keys have been seen (Keyspace::scan(): that holds however
// the table grows). A key that changes behind this place is noted by its name, once however often it changes, and is
// told as it stands when its turn comes: with its value (_TAKE), or that it is gone (_DROP). A key that changes ahead
// of it will be met. So what has been told, in its order, is always some state that each key has had, and once nothing
// is noted and all is seen, the present one. Keys whose time has come, as of the keyspace's clock, are gone.
//
// Access clocks (OBJECT IDLETIME, FREQ) do not travel: they are no replicated state.
//
// Changes come by the calls that WATCH lives by. While a keyspace has a walk, its SlotWalks stands before its observer;
// otherwise writes know nothing of this.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/kv/events.h"

namespace keelson::kv {

class Keyspace;
class Value;

class KeyWalk final : public engine::SlotWalk {
 public:
  enum class Kind : uint8_t { kExport, kWipe };
  // Slots `first` to `last`, which is included.
  KeyWalk(Keyspace& keyspace, Kind kind, uint16_t first, uint16_t last);
  ~KeyWalk() override;
  KeyWalk(const KeyWalk&) = delete;
  KeyWalk& operator=(const KeyWalk&) = delete;

  Result<State> next(size_t bytes_wanted, std::vector<engine::OwnedCommand>& out) override;

  // For SlotWalks.
  void key_changed(uint16_t database, std::string_view key);
  void lose() { is_lost_ = true; }
  // The keyspace is going.
  void abandon() { keyspace_ = nullptr; }

 private:
  // Of one call of next().
  struct Filling;
  using Key = std::pair<uint16_t, std::string>;
  struct KeyLess {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.first != b.first ? a.first < b.first : std::string_view(a.second) < std::string_view(b.second);
    }
  };
  using Keys = std::set<Key, KeyLess>;
  // How far a database is seen.
  struct Place {
    uint64_t cursor = 0;
    bool is_done = false;
  };

  [[nodiscard]] bool is_walked() const { return walking_ == places_.size(); }
  void step(Filling& filling);
  void tell_noted(Filling& filling);
  void tell(Filling& filling, const Value& value);
  void tell_gone(Filling& filling, uint16_t database, std::string_view key);
  void note(Keys& to, uint16_t database, std::string_view key);
  void refuse(std::string_view key, size_t bytes);

  Keyspace* keyspace_;
  const Kind kind_;
  const uint16_t first_;
  const uint16_t last_;
  std::vector<Place> places_;  // of each database; those before walking_ are done, those behind it not begun
  size_t walking_ = 0;
  Keys turn_;   // whose turn it is to be told
  Keys noted_;  // the turn behind that one
  size_t noted_bytes_ = 0;
  bool is_lost_ = false;
  std::optional<Error> error_;
};

// The walks of one keyspace. Owned by it.
class SlotWalks final : public Observer {
 public:
  explicit SlotWalks(Keyspace& keyspace) : keyspace_(keyspace) {}
  ~SlotWalks() override;

  void add(KeyWalk& walk);
  void remove(KeyWalk& walk);
  [[nodiscard]] bool empty() const { return walks_.empty(); }
  // All keys have become others.
  void lose_all();

  // Observer: first the walks, then the keyspace's own.
  void key_changed(uint16_t database, std::string_view key) override;
  void database_changed(uint16_t database) override;
  // No walk cares for these, and the keyspace does not ask here.
  void notify(EventClass event_class, std::string_view event, uint16_t database, std::string_view key) override;
  void key_ready(uint16_t database, std::string_view key) override;

 private:
  Keyspace& keyspace_;
  std::vector<KeyWalk*> walks_;
};

}  // namespace keelson::kv
