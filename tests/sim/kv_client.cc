#include "tests/sim/kv_client.h"

#include <algorithm>
#include <utility>

#include "env/reactor.h"

namespace keelson::sim_test {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Longer than any two syncs: what an earlier connection left under way has ended.
constexpr int64_t kSettleNs = 150 * kNsPerMs;
constexpr int64_t kReconnectNs = 20 * kNsPerMs;
constexpr size_t kReadBytes = 4096;
constexpr uint64_t kPipelineMax = 12;

// Answers without an order of their own, sorted.
std::string canonical(ModelType type, const Reply& reply) {
  if (reply.kind != '*' || (type != ModelType::kHash && type != ModelType::kSet)) return reply.shown();
  Reply sorted = reply;
  if (type == ModelType::kSet) {
    std::sort(sorted.items.begin(), sorted.items.end(), [](const Reply& a, const Reply& b) { return a.text < b.text; });
    return sorted.shown();
  }
  std::map<std::string, std::string> fields;
  for (size_t i = 0; i + 1 < reply.items.size(); i += 2) fields[reply.items[i].text] = reply.items[i + 1].text;
  sorted.items.clear();
  for (const auto& [field, text] : fields) {
    sorted.items.push_back({'$', field, {}});
    sorted.items.push_back({'$', text, {}});
  }
  return sorted.shown();
}

}  // namespace

KvClient::KvClient(env::Env& env, env::Address server, unsigned id, unsigned keys, Allowed allowed)
    : env_(env), server_(std::move(server)), id_(id), allowed_(allowed) {
  for (unsigned i = 0; i < keys; ++i) {
    Key key;
    key.name = "c" + std::to_string(id) + ":k" + std::to_string(i);
    key.type = static_cast<ModelType>(i % static_cast<unsigned>(ModelType::kCount));
    keys_.push_back(std::move(key));
  }
}

Task<void> KvClient::run() {
  env::Reactor& here = env_.reactor(0);
  while (violation_.empty()) {
    // What a failed log holds shows after the restart, not before.
    if (wants_restart_ || (stream_ == nullptr && !co_await connect())) {
      co_await env::sleep_for(here, kReconnectNs);
      continue;
    }
    bool is_connected = true;
    if (is_uncertain_) is_connected = co_await verify();
    while (is_connected && violation_.empty() && !is_finishing_) is_connected = co_await work();
    if (is_connected && is_finishing_ && violation_.empty() && co_await verify()) break;
    if (stream_ != nullptr) stream_->close();
    stream_.reset();
    input_.clear();
    is_uncertain_ = true;
    co_await env::sleep_for(here, kSettleNs);
  }
  is_done_ = true;
}

Task<bool> KvClient::connect() {
  auto stream = co_await env_.network().connect(env_.reactor(0), server_);
  if (!stream.ok()) co_return false;
  stream_ = std::move(*stream);
  co_return true;
}

Task<bool> KvClient::send(const std::vector<std::vector<std::string>>& commands) {
  std::string bytes;
  for (const auto& command : commands) bytes += encode_command(command);
  const env::IoOutcome sent = co_await stream_->write(bytes);
  co_return sent.ok();
}

Task<std::optional<Reply>> KvClient::receive() {
  for (;;) {
    std::string_view rest = input_.view();
    Reply reply;
    if (parse_reply(rest, reply)) {
      input_.consume(input_.size() - rest.size());
      co_return reply;
    }
    const env::IoOutcome got = co_await stream_->read({input_.reserve(kReadBytes), kReadBytes});
    if (!got.ok()) co_return std::nullopt;
    input_.commit(got.count);
  }
}

uint64_t KvClient::lost_keys() const {
  return static_cast<uint64_t>(std::count_if(keys_.begin(), keys_.end(), [](const Key& key) { return key.is_lost; }));
}

void KvClient::violate(const std::string& what) {
  if (violation_.empty()) violation_ = "client " + std::to_string(id_) + ": " + what;
}

bool KvClient::has_effect(const Reply& reply) {
  if (reply.kind != '-') return true;
  const std::string& text = reply.text;
  if (allowed_.full && text.starts_with("MISCONF The disk")) return false;
  if (allowed_.refused && (text.starts_with("TRYAGAIN") || text.starts_with("EXECABORT"))) return false;
  if (allowed_.damaged && text.starts_with("ERR The shard")) return false;
  if (allowed_.failed && text.starts_with("MISCONF Writing")) {
    wants_restart_ = true;
    return false;
  }
  violate("an error that nothing explains: " + text);
  return false;
}

KvClient::Key& KvClient::random_key(std::optional<ModelType> type) {
  env::Random& random = env_.reactor(0).random();
  for (;;) {
    Key& key = keys_[random.next() % keys_.size()];
    if (!type || key.type == *type) return key;
  }
}

Task<bool> KvClient::work() {
  if (wants_restart_) {
    // The connection is of no use any more.
    co_return false;
  }
  const uint64_t what = env_.reactor(0).random().next() % 10;
  if (what == 0) co_return co_await work_mset();
  if (what <= 2) co_return co_await work_transaction();
  co_return co_await work_pipelined();
}

Task<bool> KvClient::work_pipelined() {
  env::Random& random = env_.reactor(0).random();
  std::vector<ModelOperation> operations;
  std::vector<Key*> targets;
  std::vector<std::vector<std::string>> commands;
  const uint64_t count = 1 + random.next() % kPipelineMax;
  for (uint64_t i = 0; i < count; ++i) {
    Key& key = random_key(std::nullopt);
    operations.push_back(random_operation(random, key.type, key.name));
    targets.push_back(&key);
    commands.push_back(operations.back().args);
  }
  // Until they are answered, any prefix of a key's commands may have taken effect.
  std::map<Key*, ModelValue> ahead;
  for (size_t i = 0; i < operations.size(); ++i) {
    auto [value, is_new] = ahead.try_emplace(targets[i], targets[i]->value);
    operations[i].apply(value->second);
    targets[i]->possible.push_back(value->second);
  }
  is_uncertain_ = true;
  if (!co_await send(commands)) co_return false;
  std::vector<Reply> replies;
  for (size_t i = 0; i < operations.size(); ++i) {
    std::optional<Reply> reply = co_await receive();
    if (!reply) break;
    replies.push_back(std::move(*reply));
  }
  for (size_t i = 0; i < replies.size(); ++i) {
    if (!has_effect(replies[i])) continue;
    const std::string expected = operations[i].apply(targets[i]->value);
    ++acknowledged_;
    if (replies[i].shown() != expected) {
      violate(operations[i].args[0] + " " + operations[i].key + " was answered " + replies[i].shown().substr(0, 200) +
              ", not " + expected.substr(0, 200));
    }
  }
  if (replies.size() < operations.size() || wants_restart_) {
    // What was not answered goes on from what was.
    for (Key& key : keys_) key.possible.clear();
    ahead.clear();
    for (size_t i = 0; i < operations.size(); ++i) {
      if (i < replies.size() && !(wants_restart_ && replies[i].kind == '-')) continue;
      auto [value, is_new] = ahead.try_emplace(targets[i], targets[i]->value);
      operations[i].apply(value->second);
      targets[i]->possible.push_back(value->second);
    }
    co_return false;
  }
  for (Key* key : targets) key->possible.clear();
  is_uncertain_ = false;
  co_return true;
}

Task<bool> KvClient::work_mset() {
  std::vector<std::string> command{"MSET"};
  atomic_.clear();
  for (int i = 0; i < 4; ++i) {
    const Key& key = random_key(ModelType::kString);
    const std::string text = "mset" + std::to_string(env_.reactor(0).random().next() % 100000);
    command.insert(command.end(), {key.name, text});
    ModelValue value;
    value.exists = true;
    value.text = text;
    atomic_[static_cast<size_t>(&key - keys_.data())] = value;
  }
  is_uncertain_ = true;
  if (!co_await send({command})) co_return false;
  const std::optional<Reply> reply = co_await receive();
  if (!reply) co_return false;
  if (has_effect(*reply)) {
    if (reply->shown() != "+OK") violate("MSET was answered " + reply->shown());
    settle_atomic();
  } else if (wants_restart_) {
    co_return false;
  }
  atomic_.clear();
  is_uncertain_ = false;
  co_return true;
}

Task<bool> KvClient::work_transaction() {
  env::Random& random = env_.reactor(0).random();
  std::vector<std::vector<std::string>> commands{{"MULTI"}};
  std::string expected = "[";
  atomic_.clear();
  const uint64_t count = 1 + random.next() % 6;
  for (uint64_t i = 0; i < count; ++i) {
    Key& key = random_key(std::nullopt);
    const ModelOperation operation = random_operation(random, key.type, key.name);
    auto [value, is_new] = atomic_.try_emplace(static_cast<size_t>(&key - keys_.data()), key.value);
    expected += operation.apply(value->second) + " ";
    commands.push_back(operation.args);
  }
  commands.push_back({"EXEC"});
  is_uncertain_ = true;
  if (!co_await send(commands)) co_return false;
  std::optional<Reply> reply;
  for (size_t i = 0; i < commands.size(); ++i) {
    reply = co_await receive();
    if (!reply) co_return false;
  }
  if (has_effect(*reply)) {
    if (reply->shown() != expected + "]") {
      violate("EXEC was answered " + reply->shown().substr(0, 300) + ", not " + expected.substr(0, 300) + "]");
    }
    settle_atomic();
  } else if (wants_restart_) {
    co_return false;
  }
  atomic_.clear();
  is_uncertain_ = false;
  co_return true;
}

void KvClient::settle_atomic() {
  acknowledged_ += atomic_.size();
  for (const auto& [index, value] : atomic_) keys_[index].value = value;
}

// Reads every key and holds it against what it may be.
Task<bool> KvClient::verify() {
  std::vector<std::vector<std::string>> commands;
  for (const Key& key : keys_) commands.push_back(reading_command(key.type, key.name));
  if (!co_await send(commands)) co_return false;
  std::vector<std::string> readings;
  for (Key& key : keys_) {
    const std::optional<Reply> reply = co_await receive();
    if (!reply) co_return false;
    if (reply->kind == '-') {
      if (!allowed_.damaged || !reply->text.starts_with("ERR The shard")) violate("reading failed: " + reply->text);
      key.is_lost = true;
    }
    readings.push_back(canonical(key.type, *reply));
  }
  size_t shows_before = 0;
  size_t shows_after = 0;
  for (size_t i = 0; i < keys_.size(); ++i) {
    Key& key = keys_[i];
    if (key.is_lost) continue;
    const auto matches = [&](const ModelValue& value) { return expected_reading(key.type, value) == readings[i]; };
    if (const auto after = atomic_.find(i); after != atomic_.end()) {
      const bool is_before = matches(key.value);
      const bool is_after = matches(after->second);
      shows_before += is_before && !is_after ? 1 : 0;
      shows_after += is_after && !is_before ? 1 : 0;
      if (is_after) {
        key.value = after->second;
      } else if (!is_before) {
        violate(key.name + " is " + readings[i].substr(0, 200) + " after a transaction, it was " +
                expected_reading(key.type, key.value).substr(0, 200));
      }
    } else if (!matches(key.value)) {
      const auto found = std::find_if(key.possible.begin(), key.possible.end(), matches);
      if (found == key.possible.end()) {
        violate(key.name + " is " + readings[i].substr(0, 200) + ", it must be " +
                expected_reading(key.type, key.value).substr(0, 200) + " or one of " +
                std::to_string(key.possible.size()) + " later values");
      } else {
        key.value = ModelValue(*found);
      }
    }
    key.possible.clear();
  }
  if (shows_before != 0 && shows_after != 0) violate("a transaction took effect on some of its keys");
  atomic_.clear();
  is_uncertain_ = false;
  ++verified_;
  co_return true;
}

}  // namespace keelson::sim_test
