// For tests of the coordination engine: a sink that writes answers down as text, so that two can be compared, and calls
// in one line.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/coord/coord_engine.h"

namespace keelson::coord {

inline std::string text_of(const KeyValue& kv) {
  std::string text(kv.key);
  if (kv.is_deletion()) return text + "@" + std::to_string(kv.mod_revision) + " gone";
  text.append("=").append(kv.value).append("@");
  text += std::to_string(kv.create_revision) + "," + std::to_string(kv.mod_revision) + "v" + std::to_string(kv.version);
  if (kv.lease != 0) text += " lease " + std::to_string(kv.lease);
  return text;
}

class TextSink final : public AnswerSink {
 public:
  std::string text;

  void failed(const Failure& failure) override {
    line("failed", std::string(errc_text(failure.code)), failure.revision, failure.compact_revision);
  }
  void done(Revision revision) override { line("done", revision); }
  void key_value(const KeyValue& kv) override { line("kv", text_of(kv)); }
  void range(const RangeAnswer& answer) override {
    line("range", answer.revision, answer.count, answer.more ? "more" : "all");
  }
  void put(Revision revision, const KeyValue* prev) override {
    line("put", revision, prev == nullptr ? "-" : text_of(*prev));
  }
  void deleted(Revision revision, int64_t count) override { line("deleted", revision, count); }
  void txn_begin(bool succeeded, size_t operations) override {
    line("txn", succeeded ? "success" : "failure", operations);
  }
  void txn_end(Revision revision) override { line("end", revision); }
  void lease_granted(Revision revision, const LeaseInfo& lease) override {
    line("granted", revision, lease.id, lease.granted_ttl_s, lease.grant);
  }
  void lease_key(std::string_view key) override { line("key", std::string(key)); }
  void lease(Revision revision, const LeaseInfo& lease) override {
    line("lease", revision, lease.id, lease.granted_ttl_s, lease.grant);
  }
  void event(const Event& event) override {
    line("event", text_of(event.kv), event.prev_kv == nullptr ? "-" : text_of(*event.prev_kv), event.sub,
         event.is_last_of_revision ? "last" : "");
  }
  void events(const EventsAnswer& answer) override {
    line("events", answer.revision, answer.compact_revision, answer.next, answer.next_sub);
    next = answer.next;
    next_sub = answer.next_sub;
  }
  void hash(const HashAnswer& answer) override {
    line("hash", answer.hash_revision, answer.compact_revision, answer.state, answer.is_done ? "done" : "");
    last_hash = answer;
    next_key = answer.next_key;
    last_hash.next_key = next_key;
  }
  void store_status(const StoreStatusAnswer& answer) override {
    line("status", answer.revision, answer.compact_revision, answer.keys, answer.leases, answer.bytes_in_use);
    status = answer;
  }
  void auth_status(const AuthStatusAnswer& answer) override {
    line("auth", answer.revision, answer.is_enabled ? "on" : "off", answer.auth_revision);
    auth_revision = answer.auth_revision;
  }
  void secret(const SecretAnswer& answer) override {
    line("secret", std::string(answer.password_hash), answer.auth_revision, answer.no_password ? "none" : "");
  }
  void user(Revision revision, std::span<const std::string_view> roles) override {
    text += "user";
    for (const std::string_view role : roles) text.append(" ").append(role);
    text += "\n";
  }
  void name(std::string_view name) override { line("name", std::string(name)); }
  void permission(const Permission& permission) override {
    line("permission", static_cast<int>(permission.access), std::string(permission.key),
         std::string(permission.range_end));
  }
  void alarm(const Alarm& alarm) override { line("alarm", alarm.member, static_cast<int>(alarm.type)); }

  // Of the last answer of its kind.
  Revision next = 0;
  uint32_t next_sub = 0;
  HashAnswer last_hash;
  std::string next_key;
  StoreStatusAnswer status;
  uint64_t auth_revision = 0;

 private:
  static std::string word(const std::string& value) { return value; }
  static std::string word(const char* value) { return value; }
  static std::string word(auto value) { return std::to_string(value); }
  void line(const char* what, const auto&... words) {
    text += what;
    ((text += " " + word(words)), ...);
    text += "\n";
  }
};

// An engine with its log position: commands get growing indexes, times and seeds.
struct TestEngine {
  std::unique_ptr<CoordEngine> engine = std::make_unique<CoordEngine>();
  uint64_t index = 0;

  std::string apply(const engine::Command& command) {
    TextSink sink;
    ++index;
    engine->apply({.index = index, .time_ms = static_cast<int64_t>(index), .seed = index}, command, sink);
    return sink.text;
  }
  template <class Body>
  std::string apply(const Body& body) {
    return apply(Encoded(body).command());
  }
  template <class Body>
  TextSink ask(const Body& body) const {
    TextSink sink;
    engine->query({.index = 0, .time_ms = static_cast<int64_t>(index), .seed = 0}, Encoded(body).command(), sink);
    return sink;
  }
  template <class Body>
  std::string query(const Body& body) const {
    return ask(body).text;
  }
};

// All that is left of the checkpoint, in pieces.
inline std::vector<std::string> pieces_of(engine::CheckpointSource& source, size_t bytes_wanted) {
  std::vector<std::string> pieces;
  for (bool is_done = false; !is_done;) {
    Buffer out;
    is_done = source.next(bytes_wanted, out);
    if (!out.empty()) pieces.emplace_back(out.view());
  }
  return pieces;
}

}  // namespace keelson::coord
