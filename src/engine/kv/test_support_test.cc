// The fixture of test_support.h, and tests of the fixture itself. (Named *_test.cc so that it goes into the test
// alone.)
#include "engine/kv/test_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/crc16.h"
#include "base/hash.h"
#include "base/numbers.h"
#include "engine/kv/digest.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

std::string quote(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' || c == '"') {
      text += '\\';
      text += c;
    } else if (c == '\n') {
      text += "\\n";
    } else if (byte < 0x20 || byte >= 0x7f) {
      char escape[5];
      std::snprintf(escape, sizeof(escape), "\\x%02x", byte);
      text += escape;
    } else {
      text += c;
    }
  }
  return text + "\"";
}

std::vector<std::string> split_line(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (true) {
    while (at < line.size() && line[at] == ' ') ++at;
    if (at == line.size()) return words;
    std::string word;
    bool in_quotes = false;
    for (; at < line.size() && (in_quotes || line[at] != ' '); ++at) {
      if (line[at] == '"') {
        in_quotes = !in_quotes;
      } else if (in_quotes && line[at] == '\\') {
        const char escape = line[++at];
        if (escape == 'x') {
          word += static_cast<char>(std::stoi(std::string(line.substr(at + 1, 2)), nullptr, 16));
          at += 2;
        } else {
          word += escape == 'n' ? '\n' : escape;
        }
      } else {
        word += line[at];
      }
    }
    words.push_back(std::move(word));
  }
}

void TextReply::real(double value) { element((is_resp3_ ? "," : "") + quote(format_double(value).view())); }

void TextReply::verbatim(std::string_view format, std::string_view text) {
  element((is_resp3_ ? std::string(format) + ":" : "") + quote(text));
}

std::string TextReply::text() const {
  if (!levels_.empty() || replies_ == 0) return text_ + "(incomplete)";
  return replies_ == 1 ? text_ : text_ + "(too much)";
}

void TextReply::element(std::string text) {
  while (!levels_.empty()) {
    Level& level = levels_.back();
    level.elements.push_back(std::move(text));
    if (--level.left != 0) return;
    if (is_sorted_ && levels_.size() == 1) std::sort(level.elements.begin(), level.elements.end());
    text = level.open;
    for (size_t i = 0; i < level.elements.size(); ++i) {
      if (i != 0) text += level.is_map && i % 2 == 1 ? ": " : ", ";
      text += level.elements[i];
    }
    text += level.close;
    levels_.pop_back();
  }
  text_ += text;
  ++replies_;
}

void TextReply::open(std::string_view opening, std::string_view closing, size_t count, bool is_map) {
  if (count == 0) return element(std::string(opening) + std::string(closing));
  levels_.push_back({std::string(opening), std::string(closing), count, is_map, {}});
}

class TestNode::Map final : public KeyspaceMap {
 public:
  explicit Map(TestNode& node) : node_(node) {
    for (unsigned shard = 0; shard < node.shard_count(); ++shard) all_.push_back(&node.keyspace(shard));
  }
  Keyspace& at(std::string_view key) override { return node_.keyspace(node_.shard_of(key)); }
  std::span<Keyspace* const> all() override { return all_; }

 private:
  TestNode& node_;
  std::vector<Keyspace*> all_;
};

// Takes down what the keyspaces tell.
class TestNode::Recorder final : public Observer {
 public:
  // All classes that Redis's "A" stands for: no "new".
  Recorder() { set_notify_classes(0xffff & ~static_cast<unsigned>(EventClass::kNew)); }
  void key_changed(uint16_t number, std::string_view key) override { add(changed, {}, number, key); }
  void notify(EventClass, std::string_view event, uint16_t number, std::string_view key) override {
    add(events, event, number, key);
  }
  void key_ready(uint16_t number, std::string_view key) override { add(ready, {}, number, key); }
  void database_changed(uint16_t number) override {
    add(changed, "database:", 0, number == kAllDatabases ? "all" : format_int64(number).view());
  }

  std::string events, changed, ready;

 private:
  static void add(std::string& to, std::string_view event, uint16_t number, std::string_view key) {
    if (!to.empty()) to += ' ';
    to += event;
    if (!event.empty() && event.back() != ':') to += ':';
    to += key;
    if (number != 0) to += "@" + std::to_string(number);
  }
};

class TestNode::EffectLog final : public Effects {
 public:
  EffectLog(TestNode& node, engine::ApplyContext context) : node_(node), context_(context) {}
  void log(std::string_view key, uint16_t code, uint16_t number, Args args) override {
    add(node_.shard_of(key), code, number, args);
  }
  void log_everywhere(uint16_t code, uint16_t number, Args args) override {
    for (unsigned shard = 0; shard < node_.shard_count(); ++shard) add(shard, code, number, args);
  }

 private:
  void add(unsigned shard, uint16_t code, uint16_t number, Args args) {
    engine::ApplyContext context = node_.next_context(shard);
    context.time_ms = context_.time_ms;
    node_.log_.push_back({shard, code, number, {args.begin(), args.end()}, context});
  }

  TestNode& node_;
  engine::ApplyContext context_;
};

TestNode::TestNode(unsigned shard_count) : recorder_(std::make_unique<Recorder>()), last_index_(shard_count) {
  for (unsigned shard = 0; shard < shard_count; ++shard) {
    KvOptions options;
    options.hash_secret = 0x5eed + shard;
    engines_.push_back(std::make_unique<KvEngine>(options));
    keyspace(shard).set_observer(recorder_.get());
  }
}

TestNode::~TestNode() = default;

Keyspace& TestNode::keyspace(unsigned shard) { return engines_[shard]->keyspace(); }

unsigned TestNode::shard_of(std::string_view key) const {
  return static_cast<unsigned>(uint64_t{key_slot(key)} * shard_count() / kSlotCount);
}

engine::ApplyContext TestNode::next_context(unsigned shard) {
  engine::ApplyContext context;
  context.index = ++last_index_[shard];
  context.time_ms = now_ms;
  context.seed = mix64(context.index * 1000 + shard);
  return context;
}

std::string TestNode::run_sorted(const std::vector<std::string>& args, bool is_sorted) {
  TextReply reply(is_resp3);
  if (is_sorted) reply.sort_elements();
  std::vector<std::string_view> views(args.begin(), args.end());
  const CommandSpec* spec = find_command(views[0]);
  if (spec != nullptr && views.size() > 1) {
    if (const CommandSpec* sub = find_subcommand(*spec, views[1]); sub != nullptr) spec = sub;
  }
  if (spec == nullptr) return "(error) ERR unknown command";
  if (!arity_fits(*spec, views.size())) {
    std::string name(spec->name);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return "(error) ERR wrong number of arguments for '" + name + "' command";
  }
  if (spec->handler == nullptr) return "(error) the session handles " + std::string(spec->name);
  run_on(*spec, views, reply);
  return reply.text();
}

void TestNode::run_on(const CommandSpec& spec, const std::vector<std::string_view>& args, ReplySink& reply) {
  std::vector<uint32_t> keys;
  static_cast<void>(keys_of(spec, args, keys));
  unsigned shard = keys.empty() ? 0 : shard_of(args[keys[0]]);
  bool is_across = spec.home == Home::kAllShards && shard_count() > 1;
  for (const uint32_t key : keys) is_across = is_across || shard_of(args[key]) != shard;
  const engine::Command command{spec.code, database, args};
  if ((spec.flags & kWrite) == 0) {
    if (expires_before_reads) expire_due(args, keys);
    const engine::ApplyContext context{0, now_ms, 42};
    if (!is_across) return engines_[shard]->query(context, command, reply);
    Map map(*this);
    return run_across(map, nullptr, context, command, reply);
  }
  if (is_across) {
    Map map(*this);
    const engine::ApplyContext context{0, now_ms, mix64(last_index_[shard])};
    EffectLog effects(*this, context);
    return run_across(map, &effects, context, command, reply);
  }
  run_logged(spec, shard, args, reply);
}

void TestNode::expire_due(const std::vector<std::string_view>& args, const std::vector<uint32_t>& keys) {
  for (const uint32_t index : keys) {
    const std::string_view key = args[index];
    const unsigned shard = shard_of(key);
    if (keyspace(shard).find(database, key, now_ms, Touch::kNo)) continue;
    NullReply nobody;
    run_logged(*command_by_code(code::kExpire), shard, std::vector<std::string_view>{"_EXPIRE", key}, nobody);
  }
}

void TestNode::run_logged(const CommandSpec& spec, unsigned shard, const std::vector<std::string_view>& args,
                          ReplySink& reply) {
  const engine::ApplyContext context = next_context(shard);
  log_.push_back({shard, spec.code, database, {args.begin(), args.end()}, context});
  engines_[shard]->apply(context, {spec.code, database, args}, reply);
}

std::string TestNode::take_events() { return std::exchange(recorder_->events, {}); }
std::string TestNode::take_changed() { return std::exchange(recorder_->changed, {}); }
std::string TestNode::take_ready() { return std::exchange(recorder_->ready, {}); }

std::string TestNode::take_logged() {
  std::string text;
  for (; log_taken_ < log_.size(); ++log_taken_) {
    if (!text.empty()) text += " | ";
    const LoggedCommand& logged = log_[log_taken_];
    const CommandSpec* spec = command_by_code(logged.code);
    text += spec == nullptr ? "?" : spec->name;
    for (size_t i = 1; i < logged.args.size(); ++i) text += " " + logged.args[i];
  }
  return text;
}

std::string TestNode::digest() {
  DatasetDigest digest;
  for (unsigned shard = 0; shard < shard_count(); ++shard) digest.add(keyspace(shard), now_ms);
  return to_hex(digest.finish());
}

std::string TestNode::describe() {
  std::vector<std::string> lines;
  for (unsigned shard = 0; shard < shard_count(); ++shard) {
    for (uint16_t number = 0; number < keyspace(shard).options().databases; ++number) {
      uint64_t cursor = 0;
      do {
        cursor = keyspace(shard).scan(number, cursor, 100, [&](const Value& value) {
          const int64_t expires_at_ms = value.expires_at_ms();
          const bool is_due = expires_at_ms != kNoExpiry && expires_at_ms <= now_ms;
          lines.push_back(std::to_string(number) + " " + quote(value.key()) + " " + std::string(value.type_name()) +
                          " expires " + std::to_string(expires_at_ms) + (is_due ? " (due) " : " ") +
                          quote(dump_value(value)) + "\n");
        });
      } while (cursor != 0);
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

std::vector<std::string> TestNode::shard_digests() {
  std::vector<std::string> digests;
  for (unsigned shard = 0; shard < shard_count(); ++shard) digests.push_back(to_hex(digest_exact(keyspace(shard))));
  return digests;
}

void TestNode::replay_into(TestNode& other) const {
  other.now_ms = now_ms;
  KEELSON_CHECK(other.shard_count() == shard_count(), "a replay needs as many shards");
  NullReply nobody;
  for (const LoggedCommand& logged : log_) {
    const std::vector<std::string_view> args(logged.args.begin(), logged.args.end());
    other.engine(logged.shard).apply(logged.context, {logged.code, logged.database, args}, nobody);
  }
}

namespace {

TEST(TestSupport, LinesAndQuotesTurnIntoOneAnother) {
  const std::string bytes("a \"b\\\n\x00\xff", 8);
  EXPECT_EQ(quote(bytes), R"("a \"b\\\n\x00\xff")");
  EXPECT_EQ(split_line("SET  k " + quote(bytes)), (std::vector<std::string>{"SET", "k", bytes}));
  EXPECT_EQ(split_line(R"(a "" b)"), (std::vector<std::string>{"a", "", "b"}));
}

TEST(TestSupport, RepliesThatAnnounceTheWrongCountShow) {
  TextReply nested;
  nested.array(2);
  nested.map(1);
  nested.bulk("k");
  nested.integer(1);
  nested.null();
  EXPECT_EQ(nested.text(), R"([["k", :1], nil])");
  TextReply incomplete;
  incomplete.array(2);
  incomplete.integer(1);
  EXPECT_EQ(incomplete.text(), "(incomplete)");
  TextReply too_much;
  too_much.integer(1);
  too_much.integer(2);
  EXPECT_EQ(too_much.text(), ":1:2(too much)");
}

}  // namespace

}  // namespace keelson::kv
