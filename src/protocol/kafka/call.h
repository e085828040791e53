// One request of a connection, as its handler sees it.
//
//   Task<void> handle_create_topics(Call& call) {
//     CreateTopicsRequest request;
//     if (!call.decode(request)) co_return;          // malformed: the connection ends, as Kafka's does
//     CreateTopicsResponse response;
//     ...
//     call.respond(response);
//   }
//
// A handler that ends without respond() or respond_nothing() ends the connection. The request's bytes stay where they
// are until it ends, and for as long as somebody keeps frame(). Belongs to its session's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "env/reactor.h"
#include "protocol/kafka/access.h"
#include "protocol/kafka/apis.h"
#include "protocol/kafka/headers.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"
#include "topics/topics.h"

namespace keelson::kafka {

class Call;
class KafkaService;
class Session;
struct Local;

using Handler = Task<void> (*)(Call&);
using FramePointer = std::shared_ptr<const char[]>;

// The generated decode(), found by the message's namespace.
template <class Message>
[[nodiscard]] bool decode_message(std::string_view body, int16_t version, Message& into) {
  Reader reader(body);
  return decode(reader, version, into);
}

class Call {
 public:
  Call(Session& session, Local& local) : session_(session), local_(local) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] Session& session() { return session_; }
  [[nodiscard]] Local& local() { return local_; }
  [[nodiscard]] KafkaService& service();
  [[nodiscard]] topics::Topics& topics();
  [[nodiscard]] env::Reactor& here();

  [[nodiscard]] const RequestHeader& header() const { return header_; }
  [[nodiscard]] int16_t version() const { return header_.version; }
  [[nodiscard]] std::string_view client_id() const { return header_.client_id.value_or(std::string_view()); }
  // Behind the header.
  [[nodiscard]] std::string_view body() const { return body_; }
  // Keeps the bytes that the request's views point into.
  [[nodiscard]] const FramePointer& frame() const { return frame_; }

  template <class Request>
  [[nodiscard]] bool decode(Request& into) {
    return decode_message(body_, version(), into);
  }

  // Once. What it refers to (Records) may be shared; everything else is written now.
  template <class Response>
  void respond(const Response& response) {
    begin_answer(version());
    encode(out_, answer_version_, response);
    end_answer();
  }
  // The same in pieces, for what is written without a struct: begin_answer(), then out(), then end_answer().
  void begin_answer(int16_t version);
  [[nodiscard]] Writer& out() { return out_; }
  void end_answer();
  // Nothing goes back (Produce with acks=0).
  void respond_nothing() { state_ = State::kSilent; }
  // The connection ends once this and what came before it are answered.
  void end_connection();

  // The connection's next request may begin before this one is answered: said by a handler that is about to wait, and
  // whose effect no longer hangs on its place among the others. Answers stay in order all the same.
  void let_next_begin();
  // The client is to be silent for so long: the connection's next request begins no sooner. The handler tells the
  // client as well (throttle_time_ms).
  void throttle(int32_t ms);

  // This node leads the partition's shard, and so may answer for it. On one node it leads all.
  [[nodiscard]] bool leads(const topic::PartitionId& partition);
  [[nodiscard]] bool may(AclOperation operation, ResourceType type, std::string_view name);
  // Counts towards a quota; gives the throttle time, and has called throttle().
  int32_t charge(QuotaKind kind, uint64_t amount);

 private:
  friend class Session;
  enum class State : uint8_t { kOpen, kAnswering, kAnswered, kSilent };

  Session& session_;
  Local& local_;
  RequestHeader header_;
  const ApiRow* row_ = nullptr;  // null: a frame without a header (Session::set_raw_handler())
  FramePointer frame_;
  size_t frame_bytes_ = 0;
  std::string_view body_;
  Writer out_;
  Writer::Frame answer_;
  int16_t answer_version_ = 0;
  State state_ = State::kOpen;
  bool is_done_ = false;  // the handler has ended
  bool lets_next_begin_ = false;
  int64_t began_ns_ = 0;
};

}  // namespace keelson::kafka
