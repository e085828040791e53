// A gRPC client's side of a connection for load generators: many calls at once over HTTP/2 by libnghttp2, in the clear,
// on loopback.
//
// The generator owns the epoll set; it calls receive() when the socket has bytes and flush() after it has made calls.
// One thread.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace keelson::bench {

// Just enough of Protocol Buffers' encoding.
inline void put_varint(std::string& to, uint64_t value) {
  for (; value > 127; value >>= 7) to.push_back(static_cast<char>(value | 128));
  to.push_back(static_cast<char>(value));
}
inline void put_bytes(std::string& to, uint32_t field, std::string_view bytes) {
  put_varint(to, field << 3 | 2);
  put_varint(to, bytes.size());
  to.append(bytes);
}

// Walks a message's fields. False at its end, or where it is broken.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : left_(bytes) {}
  bool next() {
    uint64_t tag = 0;
    if (left_.empty() || !varint(tag)) return false;
    field = static_cast<uint32_t>(tag >> 3);
    bytes = {};
    if ((tag & 7) == 0) return varint(number);
    uint64_t length = 0;
    if ((tag & 7) != 2 || !varint(length) || length > left_.size()) return false;
    bytes = left_.substr(0, length);
    left_.remove_prefix(length);
    return true;
  }
  uint32_t field = 0;
  uint64_t number = 0;
  std::string_view bytes;

 private:
  bool varint(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  }
  std::string_view left_;
};

class GrpcConnection {
 public:
  // Of one call; the views live until the function returns. Status -1: the stream was reset.
  using OnMessage = std::function<void(int32_t stream, std::string_view message)>;
  using OnEnd = std::function<void(int32_t stream, int status)>;

  GrpcConnection(OnMessage on_message, OnEnd on_end) : on_message_(std::move(on_message)), on_end_(std::move(on_end)) {}
  ~GrpcConnection() {
    if (session_ != nullptr) nghttp2_session_del(session_);
    if (fd_ >= 0) ::close(fd_);
  }
  GrpcConnection(const GrpcConnection&) = delete;
  GrpcConnection& operator=(const GrpcConnection&) = delete;

  bool connect(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
    authority_ = "127.0.0.1:" + std::to_string(port);
    start_session();
    return flush();
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool has_unsent() const { return sent_ < out_.size(); }

  // A call with this first message; with `keeps_open` more may follow by send(). The stream's id.
  int32_t call(std::string_view path, std::string_view message, bool keeps_open = false) {
    const std::array<nghttp2_nv, 7> head{field(":method", "POST"),
                                         field(":scheme", "http"),
                                         field(":path", path),
                                         field(":authority", authority_),
                                         field("te", "trailers"),
                                         field("content-type", "application/grpc"),
                                         field("user-agent", "grpc-go/1.26.0")};
    auto made = std::make_unique<Stream>();
    made->keeps_open = keeps_open;
    frame(made->out, message);
    nghttp2_data_provider body{};
    body.source.ptr = made.get();
    body.read_callback = read_body;
    const int32_t id = nghttp2_submit_request(session_, nullptr, head.data(), head.size(), &body, nullptr);
    if (id > 0) streams_.emplace(id, std::move(made));
    return id;
  }
  void send(int32_t stream, std::string_view message) {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    frame(found->second->out, message);
    nghttp2_session_resume_data(session_, stream);
  }

  // False: the connection is broken.
  bool receive() {
    std::array<uint8_t, 256 << 10> bytes;
    for (;;) {
      const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
      if (count < 0) return flush();
      if (nghttp2_session_mem_recv(session_, bytes.data(), static_cast<size_t>(count)) < 0) return false;
      if (static_cast<size_t>(count) < bytes.size()) return flush();
    }
  }
  bool flush() {
    const uint8_t* bytes = nullptr;
    for (;;) {
      if (out_.size() < kOutBytesMax) {
        const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
        if (count < 0) return false;
        if (count > 0) {
          out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
          continue;
        }
      }
      if (!has_unsent()) break;
      const ssize_t count = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN;
      sent_ += static_cast<size_t>(count);
      if (!has_unsent()) {
        out_.clear();
        sent_ = 0;
      }
    }
    return true;
  }

 private:
  static constexpr size_t kOutBytesMax = 1 << 20;
  static constexpr int32_t kWindowBytes = 64 << 20;

  struct Stream {
    std::string out;
    size_t sent = 0;
    bool keeps_open = false;
    std::string in;
    int status = -1;
  };

  static nghttp2_nv field(std::string_view name, std::string_view value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }
  static void frame(std::string& to, std::string_view message) {
    const auto length = static_cast<uint32_t>(message.size());
    to.push_back(0);
    for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<char>(length >> shift));
    to.append(message);
  }

  void start_session() {
    nghttp2_session_callbacks* calls = nullptr;
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    nghttp2_session_client_new(&session_, calls, this);
    nghttp2_session_callbacks_del(calls);
    const std::array<nghttp2_settings_entry, 2> settings{
        {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes}, {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes);
  }

  static ssize_t read_body(nghttp2_session* /*session*/, int32_t /*id*/, uint8_t* to, size_t length, uint32_t* flags,
                           nghttp2_data_source* source, void* /*self*/) {
    auto& stream = *static_cast<Stream*>(source->ptr);
    const size_t count = std::min(length, stream.out.size() - stream.sent);
    if (count == 0 && stream.keeps_open) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(to, stream.out.data() + stream.sent, count);
    stream.sent += count;
    if (stream.sent == stream.out.size()) {
      stream.out.clear();
      stream.sent = 0;
      if (!stream.keeps_open) *flags = NGHTTP2_DATA_FLAG_EOF;
    }
    return static_cast<ssize_t>(count);
  }
  static int on_data(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t id, const uint8_t* bytes, size_t length,
                     void* self) {
    auto& connection = *static_cast<GrpcConnection*>(self);
    Stream& stream = *connection.streams_.at(id);
    stream.in.append(reinterpret_cast<const char*>(bytes), length);
    size_t at = 0;
    while (stream.in.size() - at >= 5) {
      uint32_t size = 0;
      for (size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<uint8_t>(stream.in[at + i]);
      if (stream.in.size() - at - 5 < size) break;
      connection.on_message_(id, std::string_view(stream.in).substr(at + 5, size));
      at += 5 + size;
    }
    stream.in.erase(0, at);
    return 0;
  }
  static int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_length, const uint8_t* value, size_t value_length, uint8_t /*flags*/, void* self) {
    if (std::string_view(reinterpret_cast<const char*>(name), name_length) != "grpc-status") return 0;
    auto& connection = *static_cast<GrpcConnection*>(self);
    connection.streams_.at(frame->hd.stream_id)->status =
        std::atoi(std::string(reinterpret_cast<const char*>(value), value_length).c_str());
    return 0;
  }
  static int on_close(nghttp2_session* /*session*/, int32_t id, uint32_t /*error*/, void* self) {
    auto& connection = *static_cast<GrpcConnection*>(self);
    const auto found = connection.streams_.find(id);
    if (found == connection.streams_.end()) return 0;
    const int status = found->second->status;
    connection.streams_.erase(found);
    connection.on_end_(id, status);
    return 0;
  }

  const OnMessage on_message_;
  const OnEnd on_end_;
  int fd_ = -1;
  std::string authority_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Stream>> streams_;
  std::string out_;
  size_t sent_ = 0;
};

}  // namespace keelson::bench
