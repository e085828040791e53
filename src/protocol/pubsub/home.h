// The subscriptions at work on one reactor: opened when somebody needs them, forgotten when nobody has for a while.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "protocol/pubsub/bell.h"
#include "protocol/pubsub/resources.h"
#include "protocol/pubsub/subscription.h"

namespace keelson::pubsub {

class Home {
 public:
  Home(topics::Topics& topics, Resources& resources, env::Reactor& here, StreamPost& post);
  ~Home();

  struct Opened {
    CallStatus status;
    Subscription* subscription =
        nullptr;  // null: see status. Good until the next time that the caller waits without a Pin
  };
  // By its whole name. NOT_FOUND. One that is detached is opened too.
  [[nodiscard]] Task<Opened> open(std::string name);
  // If it is at work.
  [[nodiscard]] Subscription* find(std::string_view name);
  // Its document has changed, or is gone: NOT_FOUND ends it.
  [[nodiscard]] Task<void> refresh(std::string name);
  // All of them, and none from now on.
  void close_all(const CallStatus& why);
  // Everything is destroyed; nothing may use a subscription any more.
  void clear();

  [[nodiscard]] std::vector<SubscriptionFigures> figures() const;
  [[nodiscard]] env::Reactor& reactor() { return here_; }

 private:
  struct Entry {
    std::unique_ptr<Subscription> subscription;
    bool is_starting = false;
  };
  [[nodiscard]] Task<CallStatus> make(std::string name, std::unique_ptr<Subscription>& into);
  Task<void> note_use(std::string name);
  Task<void> write_use(topic::Document document);
  void sweep();

  topics::Topics& topics_;
  Resources& resources_;
  env::Reactor& here_;
  StreamPost& post_;
  std::map<std::string, Entry, std::less<>> entries_;
  CallStatus closed_;
  Bell started_;
  env::Timer sweeper_;
  env::TaskScope tasks_;
};

}  // namespace keelson::pubsub
