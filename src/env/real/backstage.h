// The thread on which Asio makes, accepts and connects sockets and takes signals: what is rare and must not hold a
// reactor up. Everything it finds is handed to a reactor by post().
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "env/network.h"
#include "env/reactor.h"

namespace keelson::env {

class RealReactor;

class Backstage final : public Network {
 public:
  Backstage();
  // Ends the thread; what is under way is never delivered. Listeners must be gone.
  ~Backstage() override;

  Result<std::unique_ptr<Listener>> listen(Reactor& on, const Address& at) override;
  Task<Result<std::unique_ptr<Stream>>> connect(Reactor& on, Address to) override;
  Task<Result<std::vector<std::string>>> resolve(Reactor& on, std::string host) override;

  // Calls `on_signal` on the reactor for each SIGTERM, SIGINT, SIGHUP.
  Status watch_signals(Reactor& on, std::function<void(int)> on_signal);
  // Ends the thread early; nothing more comes from it.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::env
