#include "protocol/resp/pubsub.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/buffer.h"
#include "base/check.h"
#include "base/glob.h"
#include "base/hash.h"
#include "protocol/resp/session.h"
#include "protocol/resp/writer.h"
#include "shard/call_on.h"

namespace keelson::resp {

namespace {

constexpr size_t kKindCount = 3;

size_t slot(ChannelKind kind) { return static_cast<size_t>(kind); }

std::set<std::string, std::less<>>& names_of(Session& session, ChannelKind kind) {
  Session::Subscriptions& all = session.subscriptions();
  switch (kind) {
    case ChannelKind::kChannel:
      return all.channels;
    case ChannelKind::kPattern:
      return all.patterns;
    case ChannelKind::kShardChannel:
      break;
  }
  return all.shard_channels;
}

template <class Value>
using ByName = std::unordered_map<std::string, Value, SeededStringHash, std::equal_to<>>;

// How many subscribers each reactor has.
using Counts = std::vector<uint32_t>;

uint64_t sum(const Counts& counts) {
  uint64_t total = 0;
  for (const uint32_t count : counts) total += count;
  return total;
}

// Adds `change` to one reactor's count; true if no reactor has any left.
bool change_count(Counts& counts, unsigned reactor_index, size_t reactor_count, int change) {
  counts.resize(reactor_count);
  KEELSON_CHECK(change > 0 || counts[reactor_index] != 0, "a subscription ends that was never counted");
  counts[reactor_index] += static_cast<uint32_t>(change);
  return sum(counts) == 0;
}

}  // namespace

// What one reactor knows, on its thread alone.
struct PubSub::Part {
  // Clients choose the names: the seed keeps them from choosing ones that collide.
  explicit Part(uint64_t seed) {
    for (auto& by_name : subscribers) by_name = ByName<std::vector<Session*>>(0, SeededStringHash{seed});
    for (auto& by_name : channels) by_name = ByName<Counts>(0, SeededStringHash{seed});
  }

  // Its own subscribers by name.
  std::array<ByName<std::vector<Session*>>, kKindCount> subscribers;
  // The channels and shard channels whose home it is. Patterns have their home everywhere, in an order that is the same
  // in every run.
  std::array<ByName<Counts>, kKindCount> channels;
  std::map<std::string, Counts, std::less<>> patterns;
  Buffer encoded;
};

// A message on its way to the reactors that have subscribers.
struct PubSub::Delivery {
  ChannelKind kind;
  std::string channel;
  std::string message;
};

PubSub::PubSub(KvService& service) : service_(service) {
  const uint64_t seed = service.reactor(0).random().next();
  for (unsigned i = 0; i < service.reactor_count(); ++i) parts_.push_back(std::make_unique<Part>(seed));
}

PubSub::~PubSub() = default;

unsigned PubSub::home_of(std::string_view channel) const {
  // Notifications of the keyspace and of events share a home, so that their order is kept for those who take both.
  if (channel.starts_with("__key")) return 0;
  return static_cast<unsigned>(hash64(channel, 0) % parts_.size());
}

Task<bool> PubSub::subscribe(Session& session, ChannelKind kind, std::string name) {
  if (!names_of(session, kind).insert(name).second) co_return false;
  parts_[session.reactor().index()]->subscribers[slot(kind)][name].push_back(&session);
  subscriptions_.fetch_add(1, std::memory_order_relaxed);
  co_await tell(session.reactor(), kind, std::move(name), 1);
  co_return true;
}

Task<bool> PubSub::unsubscribe(Session& session, ChannelKind kind, std::string name) {
  if (names_of(session, kind).erase(name) == 0) co_return false;
  remove_subscriber(session, kind, name);
  co_await tell(session.reactor(), kind, std::move(name), -1);
  co_return true;
}

Task<void> PubSub::forget(Session& session) {
  for (const ChannelKind kind : {ChannelKind::kChannel, ChannelKind::kPattern, ChannelKind::kShardChannel}) {
    const std::set<std::string, std::less<>> names = std::exchange(names_of(session, kind), {});
    for (const std::string& name : names) remove_subscriber(session, kind, name);
    for (const std::string& name : names) co_await tell(session.reactor(), kind, name, -1);
  }
}

void PubSub::remove_subscriber(Session& session, ChannelKind kind, std::string_view name) {
  auto& by_name = parts_[session.reactor().index()]->subscribers[slot(kind)];
  const auto found = by_name.find(name);
  KEELSON_CHECK(found != by_name.end(), "a subscriber is not in its reactor's list");
  std::erase(found->second, &session);
  if (found->second.empty()) by_name.erase(found);
  subscriptions_.fetch_sub(1, std::memory_order_relaxed);
}

void PubSub::count(unsigned at, unsigned from, ChannelKind kind, const std::string& name, int change) {
  Part& part = *parts_[at];
  if (kind == ChannelKind::kPattern) {
    if (change_count(part.patterns[name], from, parts_.size(), change)) part.patterns.erase(name);
  } else {
    auto& channels = part.channels[slot(kind)];
    if (change_count(channels[name], from, parts_.size(), change)) channels.erase(name);
  }
}

Task<void> PubSub::tell(env::Reactor& here, ChannelKind kind, std::string name, int change) {
  const unsigned from = here.index();
  const unsigned home = home_of(name);
  for (unsigned at = 0; at < parts_.size(); ++at) {
    if (kind != ChannelKind::kPattern && at != home) continue;
    co_await shard::call_on(here, service_.reactor(at), [&] { count(at, from, kind, name, change); });
  }
}

Task<size_t> PubSub::publish(env::Reactor& here, ChannelKind kind, std::string channel, std::string message) {
  if (subscriptions_.load(std::memory_order_relaxed) == 0) co_return 0;
  const unsigned home = home_of(channel);
  co_return co_await shard::call_on(here, service_.reactor(home), [&] {
    return route(home, Delivery{kind, std::move(channel), std::move(message)});
  });
}

void PubSub::post(env::Reactor& here, std::string_view channel, std::string_view message) {
  if (subscriptions_.load(std::memory_order_relaxed) == 0) return;
  const unsigned home = home_of(channel);
  Delivery delivery{ChannelKind::kChannel, std::string(channel), std::string(message)};
  if (home == here.index()) {
    route(home, std::move(delivery));
    return;
  }
  service_.reactor(home).post(
      [this, home, delivery = std::move(delivery)]() mutable { route(home, std::move(delivery)); });
}

// On the channel's home: passes the message on to the reactors with subscribers, and counts those.
size_t PubSub::route(unsigned home, Delivery delivery) {
  const Part& part = *parts_[home];
  Counts counts(parts_.size());
  const auto add = [&counts](const Counts& more) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += more[i];
  };
  const auto& channels = part.channels[slot(delivery.kind)];
  const auto found = channels.find(delivery.channel);
  if (found != channels.end()) add(found->second);
  if (delivery.kind == ChannelKind::kChannel) {
    for (const auto& [pattern, subscribers] : part.patterns) {
      if (glob_match(pattern, delivery.channel)) add(subscribers);
    }
  }
  const auto shared = std::make_shared<const Delivery>(std::move(delivery));
  for (unsigned i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    if (i == home) {
      deliver(i, *shared);
    } else {
      service_.reactor(i).post([this, i, shared] { deliver(i, *shared); });
    }
  }
  return sum(counts);
}

void PubSub::deliver(unsigned reactor_index, const Delivery& delivery) {
  Part& part = *parts_[reactor_index];
  const auto send = [&](const std::vector<Session*>& to, const std::string* pattern) {
    // RESP2 and RESP3 differ in the first byte alone.
    part.encoded.clear();
    RespWriter writer(part.encoded);
    writer.array(pattern != nullptr ? 4 : 3);
    const bool is_shard = delivery.kind == ChannelKind::kShardChannel;
    writer.bulk(pattern != nullptr ? "pmessage" : is_shard ? "smessage" : "message");
    if (pattern != nullptr) writer.bulk(*pattern);
    writer.bulk(delivery.channel);
    writer.bulk(delivery.message);
    // push() leaves the lists alone: a session that it kills ends in a later turn.
    for (Session* session : to) {
      *part.encoded.data() = session->out().is_resp3() ? '>' : '*';
      session->push(part.encoded.view());
      ++session->local().counters.total_pushes;
    }
  };
  const auto& by_name = part.subscribers[slot(delivery.kind)];
  const auto found = by_name.find(delivery.channel);
  if (found != by_name.end()) send(found->second, nullptr);
  if (delivery.kind != ChannelKind::kChannel || part.subscribers[slot(ChannelKind::kPattern)].empty()) return;
  for (const auto& [pattern, counts] : part.patterns) {
    if (counts[reactor_index] == 0 || !glob_match(pattern, delivery.channel)) continue;
    const auto& by_pattern = part.subscribers[slot(ChannelKind::kPattern)];
    const auto subscribers = by_pattern.find(pattern);
    if (subscribers != by_pattern.end()) send(subscribers->second, &pattern);
  }
}

void PubSub::publish_event(env::Reactor& here, const KvConfig& config, kv::EventClass event_class,
                           std::string_view event, uint16_t database, std::string_view key) {
  if ((config.notify_classes & static_cast<uint16_t>(event_class)) == 0) return;
  if (subscriptions_.load(std::memory_order_relaxed) == 0) return;
  const std::string where = '@' + std::to_string(database) + "__:";
  if (config.notify_keyspace) post(here, "__keyspace" + where + std::string(key), event);
  if (config.notify_keyevent) post(here, "__keyevent" + where + std::string(event), key);
}

Task<std::vector<std::string>> PubSub::names(env::Reactor& here, ChannelKind kind, std::string glob) {
  std::vector<std::string> result;
  for (unsigned at = 0; at < parts_.size(); ++at) {
    co_await shard::call_on(here, service_.reactor(at), [&] {
      for (const auto& [name, counts] : parts_[at]->channels[slot(kind)]) {
        if (glob.empty() || glob_match(glob, name)) result.push_back(name);
      }
    });
  }
  std::ranges::sort(result);
  co_return result;
}

Task<size_t> PubSub::subscriber_count(env::Reactor& here, ChannelKind kind, std::string name) {
  const unsigned home = home_of(name);
  co_return co_await shard::call_on(here, service_.reactor(home), [&] {
    const auto& channels = parts_[home]->channels[slot(kind)];
    const auto found = channels.find(name);
    return found == channels.end() ? size_t{0} : static_cast<size_t>(sum(found->second));
  });
}

size_t PubSub::pattern_count(const env::Reactor& here) const { return parts_[here.index()]->patterns.size(); }

size_t PubSub::home_channel_count(const env::Reactor& here, ChannelKind kind) const {
  return parts_[here.index()]->channels[slot(kind)].size();
}

}  // namespace keelson::resp
