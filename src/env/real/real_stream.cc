#include "env/real/real_stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "env/real/sockets.h"

namespace keelson::env {

namespace {

NetErrc from_errno(int error) {
  switch (error) {
    case ETIMEDOUT:
      return NetErrc::kTimedOut;
    case ECONNREFUSED:
      return NetErrc::kRefused;
    default:
      return NetErrc::kReset;  // ECONNRESET, EPIPE, EHOSTUNREACH, ENETDOWN ...: the connection is of no more use
  }
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

RealStream::RealStream(RealReactor& reactor, int fd, Address local, Address remote)
    : reactor_(reactor), fd_(fd), local_(std::move(local)), remote_(std::move(remote)) {}

RealStream::~RealStream() {
  if (is_gone_ != nullptr) *is_gone_ = true;
  // Coroutines that still wait are never resumed, and must not look for this stream when they are destroyed.
  if (reading_ != nullptr) reading_->pending = false;
  if (writing_ != nullptr) writing_->pending = false;
  if (is_watched_) reactor_.forget(*this);
  if (fd_ >= 0) ::close(fd_);
}

bool RealStream::ensure_watched() {
  if (is_watched_) return true;
  is_watched_ = reactor_.watch(*this, fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  return is_watched_;
}

bool RealStream::start_read(IoOperation& operation) {
  KEELSON_CHECK(reading_ == nullptr && !operation.into.empty(), "two reads at a time, or one into nothing");
  if (fd_ < 0) {
    operation.finish(NetErrc::kClosed, 0);
    return true;
  }
  if (is_readable_ && receive(operation)) return true;
  if (!ensure_watched()) {
    operation.finish(NetErrc::kReset, 0);
    return true;
  }
  operation.pending = true;
  reading_ = &operation;
  return false;
}

bool RealStream::receive(IoOperation& operation) {
  for (;;) {
    const ssize_t count = ::recv(fd_, operation.into.data(), operation.into.size(), MSG_DONTWAIT);
    if (count > 0) {
      // Less than was asked for: nothing is left, and what comes now is a new edge. Unless the edge of the end has
      // been.
      if (static_cast<size_t>(count) < operation.into.size() && !has_hung_up_) is_readable_ = false;
      reactor_.count_received(static_cast<size_t>(count));
      operation.finish(NetErrc::kOk, static_cast<size_t>(count));
      return true;
    }
    if (count == 0) {
      operation.finish(NetErrc::kEof, 0);
      return true;
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) {
      is_readable_ = false;
      return false;
    }
    operation.finish(from_errno(errno), 0);
    return true;
  }
}

bool RealStream::start_write(IoOperation& operation) {
  KEELSON_CHECK(writing_ == nullptr, "two writes at a time");
  if (fd_ < 0) {
    operation.finish(NetErrc::kClosed, 0);
    return true;
  }
  if (operation.from.empty() || (is_writable_ && send(operation))) return true;
  if (!ensure_watched()) {
    operation.finish(NetErrc::kReset, operation.count);
    return true;
  }
  operation.pending = true;
  writing_ = &operation;
  return false;
}

bool RealStream::send(IoOperation& operation) {
  const IoOutcome outcome = try_write(operation.from.substr(operation.count));
  operation.count += outcome.count;
  if (outcome.ok() && operation.count < operation.from.size()) return false;
  operation.finish(outcome.error, operation.count);
  return true;
}

IoOutcome RealStream::try_write(std::string_view from) {
  if (fd_ < 0) return {.error = NetErrc::kClosed, .count = 0};
  if (!is_writable_ || from.empty()) return {};
  for (;;) {
    const ssize_t count = ::send(fd_, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      reactor_.count_sent(static_cast<size_t>(count));
      if (static_cast<size_t>(count) < from.size()) is_writable_ = false;
      return {.error = NetErrc::kOk, .count = static_cast<size_t>(count)};
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) {
      is_writable_ = false;
      return {};
    }
    return {.error = from_errno(errno), .count = 0};
  }
}

void RealStream::shutdown_write() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
}

void RealStream::set_keepalive(uint32_t idle_s) {
  if (fd_ >= 0 && remote_.unix_path.empty()) set_keepalive_option(fd_, idle_s);
}

void RealStream::close() {
  if (fd_ < 0) return;
  if (is_watched_) {
    reactor_.forget(*this);
    if (reading_ != nullptr || writing_ != nullptr) reactor_.tell_closed(*this);
  }
  ::close(std::exchange(fd_, -1));
}

void RealStream::on_events(uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) has_hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) is_readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) is_writable_ = true;
  if (writing_ != nullptr && is_writable_ && send(*writing_)) {
    if (!resume(*std::exchange(writing_, nullptr))) return;
  }
  if (reading_ != nullptr && is_readable_ && receive(*reading_)) resume(*std::exchange(reading_, nullptr));
}

void RealStream::on_closed() {
  for (IoOperation** waiting : {&writing_, &reading_}) {
    if (*waiting == nullptr) continue;
    IoOperation& operation = *std::exchange(*waiting, nullptr);
    operation.finish(NetErrc::kClosed, operation.count);
    if (!resume(operation)) return;
  }
}

bool RealStream::resume(IoOperation& operation) {
  bool gone = false;
  bool* const outer = std::exchange(is_gone_, &gone);
  operation.resume();
  if (gone) {
    if (outer != nullptr) *outer = true;
    return false;
  }
  is_gone_ = outer;
  return true;
}

void RealStream::cancel(IoOperation& operation) {
  if (reading_ == &operation) reading_ = nullptr;
  if (writing_ == &operation) writing_ = nullptr;
}

}  // namespace keelson::env
