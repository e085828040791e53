// A client of gRPC for tests, on net/http's own codecs: calls side by side on one connection, driven by the test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/network.h"
#include "net/grpc/frames.h"
#include "net/http/hpack.h"
#include "net/http/http2_connection.h"
#include "net/http/http2_frames.h"

namespace keelson::net::grpc {

struct TestReply {
  std::map<std::string, std::string> fields;  // of the header and the trailers
  std::vector<std::string> messages;
  bool has_ended = false;
  bool was_reset = false;
  [[nodiscard]] bool is_over() const { return has_ended || was_reset; }
  [[nodiscard]] std::string field(const std::string& name) const {
    return fields.contains(name) ? fields.at(name) : "(none)";
  }
};

class TestClient {
 public:
  using Lines = std::vector<std::pair<std::string, std::string>>;

  explicit TestClient(std::unique_ptr<env::Stream> stream) : stream_(std::move(stream)) {
    out_.append(http::Http2Connection::kPreface);
    http::append_frame_head(out_, 0, http::FrameType::kSettings, 0, 0);
    http::append_window_update(out_, 0, 1 << 30);
  }

  // A call begins; its stream.
  uint32_t open(std::string_view path, const Lines& more = {}) {
    const uint32_t id = std::exchange(next_stream_, next_stream_ + 2);
    Buffer block;
    encoder_.begin(block);
    Lines lines = {{":method", "POST"},
                   {":scheme", "http"},
                   {":path", std::string(path)},
                   {":authority", "h"},
                   {"content-type", "application/grpc"},
                   {"te", "trailers"}};
    for (const auto& line : more) {
      if (line.first == "content-type") lines[4] = line;
      if (line.first != "content-type") lines.push_back(line);
    }
    for (const auto& [name, value] : lines) encoder_.add(name, value, block);
    http::append_frame_head(out_, block.size(), http::FrameType::kHeaders, http::kFlagEndHeaders, id);
    out_.append(block.view());
    return id;
  }
  void send_raw(uint32_t id, std::string_view bytes, bool is_end) {
    do {
      const std::string_view part = bytes.substr(0, http::kFrameBytesMax);
      bytes.remove_prefix(part.size());
      http::append_frame_head(out_, part.size(), http::FrameType::kData,
                              is_end && bytes.empty() ? http::kFlagEndStream : 0, id);
      out_.append(part);
    } while (!bytes.empty());
  }
  void send(uint32_t id, std::string_view message, bool is_end = false) {
    std::string framed(kPrefixBytes, '\0');
    put_prefix(framed.data(), message.size());
    send_raw(id, framed.append(message), is_end);
  }
  void finish(uint32_t id) { send_raw(id, "", true); }
  void reset(uint32_t id) { http::append_rst_stream(out_, id, http::Http2Error::kCancel); }
  void ping() {
    http::append_frame_head(out_, 8, http::FrameType::kPing, 0, 0);
    out_.append("12345678");
  }

  TestReply& reply(uint32_t id) { return replies_[id]; }
  [[nodiscard]] int pings_answered() const { return pings_answered_; }
  [[nodiscard]] int pings_asked() const { return pings_asked_; }
  [[nodiscard]] bool has_goaway() const { return has_goaway_; }
  env::Stream& stream() { return *stream_; }
  bool answers_pings = true;
  bool gives_windows = true;  // false: a stream takes its first 65,535 bytes

  // Until `done`, or the end of the connection (false).
  Task<bool> run_until(std::function<bool()> done) {
    while (!done()) {
      if (!out_.empty()) {
        const std::string out(out_.view());
        out_.clear();
        if (!(co_await stream_->write(out)).ok()) co_return done();
      }
      char* to = in_.reserve(16 << 10);
      const env::IoOutcome got = co_await stream_->read({to, 16 << 10});
      if (!got.ok()) co_return done();
      in_.commit(got.count);
      take_frames();
    }
    co_return true;
  }
  Task<bool> run_until_over(uint32_t id) {
    co_return co_await run_until([this, id] { return replies_[id].is_over(); });
  }

 private:
  void take_frames() {
    while (in_.size() >= http::kFrameHeadBytes) {
      const http::FrameHead head = http::get_frame_head(in_.data());
      if (in_.size() < http::kFrameHeadBytes + head.length) return;
      take_frame(head, in_.view().substr(http::kFrameHeadBytes, head.length));
      in_.consume(http::kFrameHeadBytes + head.length);
    }
  }
  void take_frame(const http::FrameHead& head, std::string_view payload) {
    TestReply& reply = replies_[head.stream];
    switch (head.type) {
      case http::FrameType::kHeaders: {
        http::HpackDecoder::Line line;
        auto outcome = decoder_.next(payload, true, line);
        for (; outcome == http::HpackDecoder::Outcome::kLine; outcome = decoder_.next(payload, false, line)) {
          reply.fields[std::string(line.name)] = std::string(line.value);
        }
        break;
      }
      case http::FrameType::kData: {
        auto [place, is_new] = frames_.try_emplace(head.stream, SIZE_MAX);
        place->second.feed(payload);
        std::string_view message;
        while (place->second.next(message) == FrameReader::Outcome::kMessage) reply.messages.emplace_back(message);
        if (!payload.empty() && gives_windows)
          http::append_window_update(out_, head.stream, static_cast<uint32_t>(payload.size()));
        break;
      }
      case http::FrameType::kSettings:
        if (!head.has(http::kFlagAck)) http::append_frame_head(out_, 0, http::FrameType::kSettings, http::kFlagAck, 0);
        break;
      case http::FrameType::kRstStream:
        reply.was_reset = true;
        break;
      case http::FrameType::kGoaway:
        has_goaway_ = true;
        break;
      case http::FrameType::kPing:
        if (head.has(http::kFlagAck)) ++pings_answered_;
        if (!head.has(http::kFlagAck)) {
          ++pings_asked_;
          if (!answers_pings) break;
          http::append_frame_head(out_, payload.size(), http::FrameType::kPing, http::kFlagAck, 0);
          out_.append(payload);
        }
        break;
      default:
        break;
    }
    const bool can_end = head.type == http::FrameType::kData || head.type == http::FrameType::kHeaders;
    if (can_end && head.has(http::kFlagEndStream)) reply.has_ended = true;
  }

  std::unique_ptr<env::Stream> stream_;
  Buffer out_;
  Buffer in_;
  http::HpackEncoder encoder_;
  http::HpackDecoder decoder_;
  uint32_t next_stream_ = 1;
  int pings_answered_ = 0;
  int pings_asked_ = 0;
  bool has_goaway_ = false;
  std::map<uint32_t, TestReply> replies_;
  std::map<uint32_t, FrameReader> frames_;
};

}  // namespace keelson::net::grpc
