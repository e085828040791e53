// What carries Raft's messages: a peer::Hub as raft::Messenger, and what arrives there as raft::MessageSink.
//
// One for each reactor, used on its thread. A group is known to the hub by its number.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peer/hub.h"
#include "raft/messenger.h"

namespace keelson::cluster {

class HubMessenger final : public raft::Messenger, public peer::Receiver {
 public:
  explicit HubMessenger(peer::Hub& hub) : hub_(hub) {}

  // Messages that arrive go there from now on; null: they are dropped.
  void attach(raft::MessageSink* sink);

  // raft::Messenger.
  void send(raft::NodeId to, raft::ShardId group, std::string_view message) override { hub_.send(to, group, message); }
  void send_file(raft::NodeId to, raft::ShardId group, std::string message, std::string path,
                 std::vector<raft::SideFile> beside, std::function<void(bool)> done) override;
  [[nodiscard]] bool is_reachable(raft::NodeId node) const override { return hub_.is_reachable(node); }

  // peer::Receiver.
  void received(peer::NodeId from, uint16_t group, std::string_view message) override {
    sink_->received(from, group, message);
  }
  void received_file(peer::NodeId from, uint16_t group, std::string message, std::string path,
                     std::vector<peer::SideFile> beside) override;
  [[nodiscard]] std::vector<uint64_t> bytes_here(peer::NodeId from, uint16_t group,
                                                 const std::vector<peer::SideFile>& offered) override;
  void reachable_changed(peer::NodeId node, bool is_reachable) override {
    sink_->reachable_changed(node, is_reachable);
  }

 private:
  peer::Hub& hub_;
  raft::MessageSink* sink_ = nullptr;
};

}  // namespace keelson::cluster
