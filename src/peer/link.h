// The outgoing connection of one reactor to one other node: made again whenever it breaks, until the link is destroyed.
//
// Own reactor only; destroyed outside its own callbacks. For this folder alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/reactor.h"
#include "peer/file_sender.h"
#include "peer/options.h"
#include "peer/wire.h"

namespace keelson::peer {

class Hub;

class Link {
 public:
  Link(Hub& hub, NodeId node);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void send(uint16_t group, std::string_view message);
  void send_file(uint16_t group, std::string message, std::string path, std::vector<SideFile> beside, FileDone done);
  [[nodiscard]] bool is_up() const { return is_up_; }
  // Only while it is up.
  void call(uint64_t call, uint32_t method, std::string_view request);
  // The address has changed: a new attempt begins at once.
  void address_changed();

 private:
  void start_attempt();
  Task<void> attempt();
  Task<Status> connect();
  Task<Status> serve();
  // True: go on.
  [[nodiscard]] bool handle(const Frame& frame);
  void come_up();
  // Ends the connection, or the attempt at one; the next one begins after a while.
  void break_off(const std::string& why);
  void tick();
  [[nodiscard]] int64_t next_retry_ms();

  Hub& hub_;
  const NodeId node_;
  NodeCounts& counts_;
  bool is_up_ = false;
  bool is_broken_off_ = false;
  bool has_complained_ = false;  // of the attempts since it was last up: once is enough
  int64_t retry_ms_ = 0;
  // Something was sent that the other side must show a sign of life for since then; 0: nothing.
  int64_t waiting_since_ns_ = 0;
  uint64_t received_at_tick_ = 0;
  uint64_t sent_at_tick_ = 0;
  uint64_t sent_counted_ = 0;
  std::unique_ptr<Wire> wire_;
  FileSender files_;
  env::Timer retry_;
  env::Timer deadline_;  // of an attempt
  env::Timer tick_;
  // After the wire: its coroutine uses it.
  std::unique_ptr<env::TaskScope> tasks_;
};

}  // namespace keelson::peer
