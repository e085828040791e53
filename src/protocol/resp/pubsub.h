// Publish and subscribe: channels, patterns, and shard channels (a name space of their own).
//
// Every channel has a home reactor (a hash of its name), which knows how many subscribers each reactor has; every
// reactor knows all patterns, with the same counts. A message goes to its channel's home and from there to the reactors
// that have subscribers, so all subscribers of a channel see its messages in one order, which is also the order of each
// publisher. What each reactor knows of its own subscribers is touched on its thread alone.
//
// A subscription counts when its command is answered: the answer waits until the home (for a pattern, every reactor)
// knows. A message is delivered at most once, as in Redis; a subscriber that does not read runs into its output limit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "engine/kv/events.h"
#include "env/reactor.h"

namespace keelson::resp {

class KvService;
class Session;
struct KvConfig;

enum class ChannelKind : uint8_t { kChannel, kPattern, kShardChannel };

class PubSub {
 public:
  explicit PubSub(KvService& service);
  PubSub(const PubSub&) = delete;
  PubSub& operator=(const PubSub&) = delete;
  ~PubSub();

  // The session's reactor. Changes session.subscriptions() at once; true if that was a change. The name counts when the
  // task ends.
  Task<bool> subscribe(Session& session, ChannelKind kind, std::string name);
  Task<bool> unsubscribe(Session& session, ChannelKind kind, std::string name);
  // The session ends, or RESETs: forgets all its subscriptions.
  Task<void> forget(Session& session);

  // From a coroutine on `here`: how many received it (once more for each matching pattern).
  Task<size_t> publish(env::Reactor& here, ChannelKind kind, std::string channel, std::string message);
  // The same, when nobody asks how many. Any reactor's thread, which is `here`.
  void post(env::Reactor& here, std::string_view channel, std::string_view message);

  // Keyspace notifications, on the thread of `here`: the messages that notify-keyspace-events asks for by `config`, in
  // Redis's order and form ("__keyspace@0__:key", "__keyevent@0__:set").
  void publish_event(env::Reactor& here, const KvConfig& config, kv::EventClass event_class, std::string_view event,
                     uint16_t database, std::string_view key);

  // For PUBSUB. Channels in use that match `glob` (empty: all), sorted; not for patterns.
  Task<std::vector<std::string>> names(env::Reactor& here, ChannelKind kind, std::string glob);
  Task<size_t> subscriber_count(env::Reactor& here, ChannelKind kind, std::string name);
  // Different patterns in use; any reactor's thread.
  [[nodiscard]] size_t pattern_count(const env::Reactor& here) const;
  // Channels in use at their homes here; summed over the reactors it is INFO's pubsub_channels.
  [[nodiscard]] size_t home_channel_count(const env::Reactor& here, ChannelKind kind) const;

 private:
  struct Part;
  struct Delivery;

  [[nodiscard]] unsigned home_of(std::string_view channel) const;
  void remove_subscriber(Session& session, ChannelKind kind, std::string_view name);
  // On reactor `at`: reactor `from` has gained or lost a subscriber.
  void count(unsigned at, unsigned from, ChannelKind kind, const std::string& name, int change);
  Task<void> tell(env::Reactor& here, ChannelKind kind, std::string name, int change);
  size_t route(unsigned home, Delivery delivery);
  void deliver(unsigned reactor_index, const Delivery& delivery);

  KvService& service_;
  // Nobody subscribes to anything: nothing needs to be sent. A hint that may be a moment old.
  std::atomic<uint64_t> subscriptions_{0};
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace keelson::resp
