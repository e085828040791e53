// One change of one key, in the one form in which it is kept, shared by all who watch it, and sent: the bytes of etcd's
// mvccpb.Event (api/mvccpb/kv.proto, proto3), so that ten thousand watchers cost one encoding.
//
//   message Event    { EventType type = 1; KeyValue kv = 2; KeyValue prev_kv = 3; }          PUT 0, DELETE 1
//   message KeyValue { bytes key = 1; int64 create_revision = 2; int64 mod_revision = 3; int64 version = 4;
//                      bytes value = 5; int64 lease = 6; }
//
// Fields that are zero or empty are left out, as proto3 has it. Immutable; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "coord/shared.h"
#include "engine/coord/types.h"

namespace keelson::coord {

class WatchEvent final : public Counted {
 public:
  // What the engine shows, copied, its prev_kv too.
  explicit WatchEvent(const Event& event);

  [[nodiscard]] const KeyValue& kv() const { return kv_; }
  // Null: it was not there, is not known any more, or no watcher of this key wants to see it.
  [[nodiscard]] const KeyValue* prev_kv() const { return prev_kv_.mod_revision == 0 ? nullptr : &prev_kv_; }
  [[nodiscard]] bool is_deletion() const { return kv_.is_deletion(); }
  // etcd's IsCreate: a put of a key that was not there.
  [[nodiscard]] bool is_create() const { return kv_.create_revision == kv_.mod_revision; }
  [[nodiscard]] Revision revision() const { return kv_.mod_revision; }

  // The body of an mvccpb.Event, without and with prev_kv.
  [[nodiscard]] std::string_view wire(bool with_previous) const {
    return with_previous ? std::string_view(wire_) : std::string_view(wire_).substr(0, bytes_without_previous_);
  }
  // Of memory.
  [[nodiscard]] size_t bytes() const { return sizeof(*this) + wire_.capacity(); }

 private:
  std::string wire_;
  size_t bytes_without_previous_ = 0;
  // Views of wire_.
  KeyValue kv_;
  KeyValue prev_kv_;
};

// What one or many watchers are told at once: events in the order of their revisions, each revision whole as far as the
// watchers asked for it. At least one.
class EventSet final : public Counted {
 public:
  explicit EventSet(std::vector<Shared<WatchEvent>> events);
  [[nodiscard]] const std::vector<Shared<WatchEvent>>& events() const { return events_; }
  [[nodiscard]] Revision last_revision() const { return events_.back()->revision(); }
  // Of memory, its events included, whoever else holds them.
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  std::vector<Shared<WatchEvent>> events_;
  size_t bytes_ = 0;
};

}  // namespace keelson::coord
