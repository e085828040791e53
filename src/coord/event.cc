#include "coord/event.h"

#include <utility>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::coord {

namespace {

// Protocol Buffers, "Encoding": a field's tag is its number shifted by three, and its wire type (0 varint, 2 bytes).
constexpr uint8_t kVarintType = 0;
constexpr uint8_t kBytesType = 2;
[[nodiscard]] constexpr char tag(unsigned field, uint8_t type) { return static_cast<char>(field << 3 | type); }

constexpr unsigned kEventType = 1;
constexpr unsigned kEventKv = 2;
constexpr unsigned kEventPrevKv = 3;

[[nodiscard]] size_t bytes_size(std::string_view bytes) {
  return bytes.empty() ? 0 : 1 + varint_size(bytes.size()) + bytes.size();
}
[[nodiscard]] size_t number_size(int64_t number) {
  return number == 0 ? 0 : 1 + varint_size(static_cast<uint64_t>(number));
}
[[nodiscard]] size_t body_size(const KeyValue& state) {
  return bytes_size(state.key) + number_size(state.create_revision) + number_size(state.mod_revision) +
         number_size(state.version) + bytes_size(state.value) + number_size(state.lease);
}

// The view of what was appended.
std::string_view put_bytes(std::string& out, unsigned field, std::string_view bytes) {
  if (bytes.empty()) return {};
  out.push_back(tag(field, kBytesType));
  append_varint(out, bytes.size());
  const size_t at = out.size();
  out.append(bytes);
  return std::string_view(out).substr(at);
}
void put_number(std::string& out, unsigned field, int64_t number) {
  if (number == 0) return;
  out.push_back(tag(field, kVarintType));
  append_varint(out, static_cast<uint64_t>(number));
}
// Appends a KeyValue as that field; the same with views into `out`, whose room must suffice.
KeyValue put_state(std::string& out, unsigned field, const KeyValue& state) {
  KeyValue kept = state;
  out.push_back(tag(field, kBytesType));
  append_varint(out, body_size(state));
  kept.key = put_bytes(out, 1, state.key);
  put_number(out, 2, state.create_revision);
  put_number(out, 3, state.mod_revision);
  put_number(out, 4, state.version);
  kept.value = put_bytes(out, 5, state.value);
  put_number(out, 6, state.lease);
  return kept;
}

}  // namespace

WatchEvent::WatchEvent(const Event& event) {
  const auto field_size = [](const KeyValue& state) {
    const size_t body = body_size(state);
    return 1 + varint_size(body) + body;
  };
  const bool is_deletion = event.kv.is_deletion();
  const size_t size = (is_deletion ? 2 : 0) + field_size(event.kv) + (event.prev_kv ? field_size(*event.prev_kv) : 0);
  wire_.reserve(size);
  if (is_deletion) {
    wire_.push_back(tag(kEventType, kVarintType));
    wire_.push_back(1);
  }
  kv_ = put_state(wire_, kEventKv, event.kv);
  bytes_without_previous_ = wire_.size();
  if (event.prev_kv != nullptr) prev_kv_ = put_state(wire_, kEventPrevKv, *event.prev_kv);
  KEELSON_CHECK(wire_.size() == size, "an event's size was reckoned wrongly");
}

EventSet::EventSet(std::vector<Shared<WatchEvent>> events) : events_(std::move(events)) {
  KEELSON_CHECK(!events_.empty(), "a set of no events");
  bytes_ = sizeof(*this) + events_.capacity() * sizeof(Shared<WatchEvent>);
  for (const Shared<WatchEvent>& event : events_) bytes_ += event->bytes();
}

}  // namespace keelson::coord
