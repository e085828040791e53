// What happened to keys while a command was applied: for WATCH, blocked clients and keyspace notifications.
//
// Called on the shard's thread, during apply(). The observer must not call back into the engine. It is not part of the
// replicated state.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson::kv {

// The classes of Redis's notify-keyspace-events.
enum class EventClass : uint16_t {
  kGeneric = 1 << 0,    // g
  kString = 1 << 1,     // $
  kList = 1 << 2,       // l
  kSet = 1 << 3,        // s
  kHash = 1 << 4,       // h
  kSortedSet = 1 << 5,  // z
  kExpired = 1 << 6,    // x
  kEvicted = 1 << 7,    // e
  kStream = 1 << 8,     // t
  kModule = 1 << 9,     // d
  kNew = 1 << 10,       // n
};

class Observer {
 public:
  virtual ~Observer() = default;
  // The key's value or time to live changed, or the key came or went.
  virtual void key_changed(uint16_t database, std::string_view key) = 0;
  // A keyspace event, by Redis's name ("set", "lpush", "expired"). Called only for classes in notify_classes().
  virtual void notify(EventClass event_class, std::string_view event, uint16_t database, std::string_view key) = 0;
  // A list or sorted set that holds something now stands under the key: a blocked client may be served.
  virtual void key_ready(uint16_t database, std::string_view key) = 0;
  // Every key of the database may have changed (FLUSHDB, SWAPDB); all databases when `database` is kAllDatabases.
  virtual void database_changed(uint16_t database) = 0;
  [[nodiscard]] uint16_t notify_classes() const { return notify_classes_; }
  void set_notify_classes(uint16_t classes) { notify_classes_ = classes; }
  static constexpr uint16_t kAllDatabases = 0xffff;

 private:
  uint16_t notify_classes_ = 0;
};

}  // namespace keelson::kv
