#include "tests/sim/cluster_client.h"

#include <utility>

#include "env/reactor.h"
#include "tests/sim/register_calls.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using linear::RegisterCall;
using Kind = RegisterCall::Kind;

constexpr int64_t kReconnectNs = 30 * kMillisecond;
constexpr size_t kReadBytes = 4096;

// Keys of two kinds: appended to, or written over. Appends need to see every value that came before.
bool is_appended_to(unsigned key) { return key % 4 == 3; }

}  // namespace

ClusterClient::ClusterClient(env::sim::World& world, env::sim::Node& machine, std::vector<env::Address> servers,
                             unsigned id, ClusterLoad load, linear::RegisterHistory& history)
    : world_(world), machine_(machine), servers_(std::move(servers)), id_(id), load_(load), history_(history) {
  deadline_ = std::make_unique<env::Timer>(machine_.reactor(0), [this] {
    if (stream_ != nullptr) stream_->close();
  });
}

Task<void> ClusterClient::run() {
  env::Reactor& here = machine_.reactor(0);
  while (!is_finishing_ && violation_.empty()) {
    bool is_connected = co_await connect(static_cast<unsigned>(below(servers_.size())));
    while (is_connected && !is_finishing_ && violation_.empty()) {
      std::vector<Asked> batch;
      const uint64_t count = below(4) == 0 ? 1 + below(load_.pipeline_max) : 1;
      for (uint64_t i = 0; i < count; ++i) batch.push_back(draw());
      is_connected = co_await ask(std::move(batch));
      co_await env::sleep_for(here, static_cast<int64_t>(below(static_cast<uint64_t>(load_.think_ns_max))));
      if (below(50) == 0) break;  // to another node
    }
    disconnect();
    co_await env::sleep_for(here, kReconnectNs);
  }
  is_done_ = true;
}

Task<void> ClusterClient::read_all(unsigned server) {
  is_done_ = false;
  for (unsigned key = 0; key < load_.keys && violation_.empty();) {
    const uint64_t before = answered_;
    if (stream_ == nullptr && !co_await connect(server)) {
      co_await env::sleep_for(machine_.reactor(0), kReconnectNs);
      continue;
    }
    std::vector<Asked> batch(1);
    batch[0].key = "k" + std::to_string(key);
    if (!co_await ask(std::move(batch))) disconnect();
    if (answered_ > before) {
      ++key;
    } else {
      co_await env::sleep_for(machine_.reactor(0), kReconnectNs);
    }
  }
  disconnect();
  is_done_ = true;
}

Task<bool> ClusterClient::connect(unsigned server) {
  auto stream = co_await machine_.env().network().connect(machine_.reactor(0), servers_[server]);
  if (!stream.ok()) co_return false;
  stream_ = std::move(*stream);
  co_return true;
}

void ClusterClient::disconnect() {
  deadline_->disarm();
  if (stream_ != nullptr) stream_->close();
  stream_.reset();
  input_.clear();
}

ClusterClient::Asked ClusterClient::draw() {
  Asked asked;
  const auto key = static_cast<unsigned>(below(load_.keys));
  asked.key = "k" + std::to_string(key);
  RegisterCall& call = asked.recorded.call;
  call.value = std::to_string(id_) + "." + std::to_string(next_value_++) + ",";
  const uint64_t drawn = below(100);
  if (is_appended_to(key)) {
    call.kind = drawn < 40 ? Kind::kGet : drawn < 92 ? Kind::kAppend : Kind::kDelete;
  } else {
    call.kind = drawn < 35   ? Kind::kGet
                : drawn < 70 ? Kind::kSet
                : drawn < 80 ? Kind::kSwap
                : drawn < 90 ? Kind::kSetIfAbsent
                             : Kind::kDelete;
  }
  return asked;
}

Task<bool> ClusterClient::ask(std::vector<Asked> batch) {
  std::string bytes;
  for (Asked& asked : batch) {
    asked.recorded.by = id_;
    asked.recorded.called_at = world_.now_ns();
    bytes += encode_command(command_of(asked.key, asked.recorded.call));
  }
  deadline_->arm_after(load_.answer_within_ns);
  bool is_connected = (co_await stream_->write(bytes)).ok();
  for (Asked& asked : batch) {
    std::optional<Reply> reply;
    if (is_connected) reply = co_await receive();
    is_connected = reply.has_value();
    take(std::move(asked), reply);
  }
  deadline_->disarm();
  co_return is_connected;
}

Task<std::optional<Reply>> ClusterClient::receive() {
  for (;;) {
    std::string_view rest = input_.view();
    Reply reply;
    if (parse_reply(rest, reply)) {
      input_.consume(input_.size() - rest.size());
      co_return reply;
    }
    const env::IoOutcome read = co_await stream_->read({input_.reserve(kReadBytes), kReadBytes});
    if (!read.ok()) co_return std::nullopt;
    input_.commit(read.count);
  }
}

void ClusterClient::take(Asked asked, const std::optional<Reply>& reply) {
  Fate fate = Fate::kUnknown;
  if (reply && reply->kind == '-') {
    fate = fate_of(reply->text);
  } else if (reply) {
    asked.recorded.returned_at = world_.now_ns();
    if (!read_answer(*reply, asked.recorded.call)) fate = Fate::kUnexpected;
  }
  if (fate == Fate::kUnexpected) violation_ = "answered " + reply->shown() + " to a command on " + asked.key;
  if (fate == Fate::kNoEffect) {
    ++refused_;
    return;
  }
  ++(asked.recorded.is_answered() ? answered_ : unanswered_);
  const bool is_read = linear::RegisterModel::is_read(asked.recorded.call);
  written_ += asked.recorded.is_answered() && !is_read ? 1 : 0;
  world_.trace("call", linear::RegisterModel::hash({asked.recorded.call.found, asked.recorded.call.read}));
  history_[asked.key].push_back(std::move(asked.recorded));
}

}  // namespace keelson::sim_test
