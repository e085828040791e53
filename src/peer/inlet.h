// A connection that came in: from another node, or from a guest.
//
// Own reactor only; destroyed outside its own callbacks. For this folder alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "env/network.h"
#include "env/reactor.h"
#include "peer/errors.h"
#include "peer/file_receiver.h"
#include "peer/greeting.h"
#include "peer/wire.h"

namespace keelson::peer {

class Hub;

class Inlet {
 public:
  Inlet(Hub& hub, uint64_t id, std::unique_ptr<env::Stream> stream);
  ~Inlet();
  Inlet(const Inlet&) = delete;
  Inlet& operator=(const Inlet&) = delete;

  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] NodeId node() const { return node_; }
  // It has not proved yet who it is, or belongs to no cluster.
  [[nodiscard]] bool is_guest() const { return node_ == 0; }
  void answer(uint64_t call, PeerErrc error, std::string_view bytes);
  // Of a transfer that came in here: what there is of the files that were offered along with one.
  void they_are_here(uint64_t file, const std::vector<uint64_t>& bytes);
  // Ends it; Hub::remove() follows.
  void close() { wire_.close(); }

 private:
  Task<void> serve();
  Task<void> receive();
  // False: the connection ends, since what was sent breaks the rules.
  [[nodiscard]] bool handle(const Frame& frame);
  [[nodiscard]] bool handle_call(const Frame& frame);

  Hub& hub_;
  const uint64_t id_;
  NodeId node_ = 0;
  size_t calls_under_way_ = 0;
  Wire wire_;
  std::unique_ptr<FileReceiver> files_;
  env::Timer deadline_;  // of the handshake
  env::TaskScope tasks_;
};

}  // namespace keelson::peer
