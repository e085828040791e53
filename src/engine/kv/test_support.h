// For tests of handlers: a node of one or several shards without log, threads or sockets, and replies as text.
//
//   TestNode node;
//   EXPECT_EQ(node.run("SET key value EX 10"), "OK");
//   EXPECT_EQ(node.run("LRANGE list 0 -1"), "[a, b]");
//
// Replies: a status as it is ("OK"), "(error) ERR ...", integers as (integer) 3 would be: "3" with a colon in front
// (":3"), bulk strings in quotes with Redis's escapes ("\"a\\x00\""), nil, nil-array, arrays "[a, b]", maps "{k: v}",
// sets "~[a]".
//
// What a write leaves in the shards' logs is kept: replay_into() applies it to another node, which must then hold the
// same.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv/command.h"
#include "engine/kv/events.h"
#include "engine/kv/kv_engine.h"
#include "engine/kv/reply.h"

namespace keelson::kv {

// Redis's way to show any bytes (redis-cli): quotes, \n, \x00.
std::string quote(std::string_view bytes);
// Splits a line at blanks; "..." may hold blanks and the escapes of quote().
std::vector<std::string> split_line(std::string_view line);

// Checks also that containers get exactly as many elements as they announced.
class TextReply final : public ReplySink {
 public:
  explicit TextReply(bool is_resp3 = false) : is_resp3_(is_resp3) {}

  void status(std::string_view text) override { element(std::string(text)); }
  void error(std::string_view text) override { element("(error) " + std::string(text)); }
  void integer(int64_t value) override { element(":" + std::to_string(value)); }
  void bulk(std::string_view bytes) override { element(quote(bytes)); }
  void null() override { element("nil"); }
  void null_array() override { element(is_resp3_ ? "nil" : "nil-array"); }
  void array(size_t count) override { open("[", "]", count, false); }
  void map(size_t pairs) override { open(is_resp3_ ? "{" : "[", is_resp3_ ? "}" : "]", pairs * 2, is_resp3_); }
  void set(size_t count) override { open(is_resp3_ ? "~[" : "[", "]", count, false); }
  void push(size_t count) override { open(">[", "]", count, false); }
  void real(double value) override;
  void boolean(bool value) override { element(is_resp3_ ? (value ? "#t" : "#f") : (value ? ":1" : ":0")); }
  void verbatim(std::string_view format, std::string_view text) override;
  [[nodiscard]] bool is_resp3() const override { return is_resp3_; }

  // Sorts the elements of the outermost array before the answer is put together.
  void sort_elements() { is_sorted_ = true; }
  // The answer; "(incomplete)" or "(too much)" at its end if it is not exactly one.
  [[nodiscard]] std::string text() const;

 private:
  // A container that still gets elements.
  struct Level {
    std::string open;
    std::string close;
    size_t left;
    bool is_map;
    std::vector<std::string> elements;
  };
  void element(std::string text);
  void open(std::string_view opening, std::string_view closing, size_t count, bool is_map);

  const bool is_resp3_;
  bool is_sorted_ = false;
  std::vector<Level> levels_;
  std::string text_;
  size_t replies_ = 0;
};

// What one shard's log holds.
struct LoggedCommand {
  unsigned shard = 0;
  uint16_t code = 0;
  uint16_t database = 0;
  std::vector<std::string> args;
  engine::ApplyContext context;
};

class TestNode {
 public:
  explicit TestNode(unsigned shard_count = 1);
  ~TestNode();

  // Time, database and protocol of what follows.
  int64_t now_ms = 1'700'000'000'000;
  uint16_t database = 0;
  bool is_resp3 = false;
  // Log an _EXPIRE for a key that is due before it is read. Redis removes such a key on reading; here active expiry
  // does, at its own time.
  bool expires_before_reads = false;

  // Runs a command as a session would: on its key's shard, or over several; checks the arity as a session does.
  std::string run(std::string_view line) { return run(split_line(line)); }
  std::string run(const std::vector<std::string>& args) { return run_sorted(args, false); }
  // The elements of the answer sorted as text, if asked: for answers whose order means nothing.
  std::string run_sorted(const std::vector<std::string>& args, bool is_sorted);

  // Keyspace events since the last call, blank separated: "set:key expire:key"; with a database other than 0
  // "set:key@1".
  std::string take_events();
  // Keys told to be changed since the last call, in order.
  std::string take_changed();
  // Keys told to be ready since the last call.
  std::string take_ready();

  // Of everything that clients see; equal however many shards hold it. (The order of a set, which random picks go by,
  // may depend on it: between shards a set of integers travels sorted.)
  [[nodiscard]] std::string digest();
  // Every key with its database, type, expiry and value, sorted: to see what differs.
  [[nodiscard]] std::string describe();
  // Digests shard by shard: exact, expiries and the order of sets included.
  [[nodiscard]] std::vector<std::string> shard_digests();
  // Applies this node's logs, shard by shard, to a node of as many shards.
  void replay_into(TestNode& other) const;
  // The logged commands as text, such as "SET key v | DEL other", since the last call.
  std::string take_logged();

  [[nodiscard]] Keyspace& keyspace(unsigned shard = 0);
  [[nodiscard]] KvEngine& engine(unsigned shard = 0) { return *engines_[shard]; }
  [[nodiscard]] unsigned shard_count() const { return static_cast<unsigned>(engines_.size()); }
  [[nodiscard]] unsigned shard_of(std::string_view key) const;

 private:
  class Map;
  class Recorder;
  class EffectLog;

  engine::ApplyContext next_context(unsigned shard);
  void run_on(const CommandSpec& spec, const std::vector<std::string_view>& args, ReplySink& reply);
  void run_logged(const CommandSpec& spec, unsigned shard, const std::vector<std::string_view>& args, ReplySink& reply);
  void expire_due(const std::vector<std::string_view>& args, const std::vector<uint32_t>& keys);

  std::vector<std::unique_ptr<KvEngine>> engines_;
  std::unique_ptr<Recorder> recorder_;
  std::vector<uint64_t> last_index_;
  std::vector<LoggedCommand> log_;
  size_t log_taken_ = 0;
};

}  // namespace keelson::kv
