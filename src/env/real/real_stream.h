// A connected socket as a Stream. Edge-triggered: it remembers whether the kernel last said that it can be read or
// written, and asks the kernel only then. So a read that would find nothing costs no system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "env/network.h"
#include "env/real/real_reactor.h"

namespace keelson::env {

// Made on any thread (by whoever accepted or connected it), then used on its reactor's alone; it enters the reactor's
// epoll set when it is first waited for.
class RealStream final : public Stream, public Watched {
 public:
  // Takes the file descriptor over.
  RealStream(RealReactor& reactor, int fd, Address local, Address remote);
  ~RealStream();

  IoOutcome try_write(std::string_view from) override;
  void shutdown_write() override;
  void close() override;
  void set_keepalive(uint32_t idle_s) override;
  [[nodiscard]] const Address& remote() const override { return remote_; }
  [[nodiscard]] const Address& local() const override { return local_; }
  [[nodiscard]] Reactor& reactor() override { return reactor_; }

  void on_events(uint32_t events) override;
  void on_closed() override;

 protected:
  bool start_read(IoOperation& operation) override;
  bool start_write(IoOperation& operation) override;
  void cancel(IoOperation& operation) override;

 private:
  // True: the operation has an outcome.
  bool receive(IoOperation& operation);
  bool send(IoOperation& operation);
  // Waits for events from now on; false if the kernel refuses (no memory).
  bool ensure_watched();
  // Resumes the coroutine; false if that destroyed this stream.
  bool resume(IoOperation& operation);

  RealReactor& reactor_;
  int fd_;
  bool is_watched_ = false;
  bool is_readable_ = false;
  bool is_writable_ = true;
  bool has_hung_up_ = false;  // no further edge will come for reading: what is left has to be read until the end
  IoOperation* reading_ = nullptr;
  IoOperation* writing_ = nullptr;
  bool* is_gone_ = nullptr;  // set by the destructor while resume() is on the stack
  const Address local_;
  const Address remote_;
};

}  // namespace keelson::env
