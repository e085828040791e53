// A client of Kafka's protocol, as `keelson topic` needs it: one request at a time, each at the newest version that
// both sides know. It speaks to Apache Kafka as well.
//
// The server that is named is one of several, if it belongs to a cluster: what it tells of the others says where
// partitions, groups and the directory of topics are asked for. A lead that moves meanwhile is followed: what passes by
// itself (passes()) is tried again, for kPatienceMs. Where only one server is known, all goes to the one that was
// named.
//
// Belongs to one reactor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/target.h"
#include "env/env.h"
#include "protocol/kafka/messages/metadata.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::cli {

enum class TopicClientErrc : uint8_t {
  kOk = 0,
  kUsage,        // an argument that cannot be meant so
  kUnreachable,  // the connection broke
  kRefused,      // the server's own error
  kMalformed,    // an answer that makes no sense
  kTooOld,       // the server does not know the request, or no version of it that we know
};
std::error_code make_error_code(TopicClientErrc code);

// "UNKNOWN_TOPIC_OR_PARTITION: there is no such topic or partition", by protocol/kafka/error_table.def.
[[nodiscard]] std::string kafka_error_text(int16_t code);
// kRefused: "`what`: the server says ...", with the server's own sentence where it gave one.
[[nodiscard]] std::unexpected<Error> refused(const std::string& what, int16_t code,
                                             const std::optional<std::string>& sentence = std::nullopt);

struct TopicLogin {
  Target target;     // its address is "127.0.0.1:9092"
  std::string user;  // empty: no SASL; otherwise PLAIN, with the target's password
};

// To one server.
class TopicConnection {
 public:
  // Connects, signs in, and asks what the server knows.
  static Task<Result<std::unique_ptr<TopicConnection>>> open(env::Env& env, TopicLogin login);

  // `version_max`: where a later version means something else than the caller does. What views the answer holds
  // (records) stay until the next call.
  template <class Response, class Request>
  Task<Result<Response>> call(const Request& request, int16_t version_max = Request::kVersionMax) {
    const std::optional<int16_t> version = version_for(Request::kKey, Request::kVersionMin, version_max);
    if (!version) co_return too_old(Request::kKey);
    Result<Response> response = co_await call_at<Response>(request, *version);
    co_return response;
  }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] bool is_broken() const { return is_broken_; }

 private:
  TopicConnection() = default;
  Task<Status> sign_in(const TopicLogin& login);
  Task<Status> learn_versions();
  [[nodiscard]] std::optional<int16_t> version_for(int16_t key, int16_t low, int16_t high) const;
  [[nodiscard]] std::unexpected<Error> too_old(int16_t key) const;
  [[nodiscard]] std::unexpected<Error> malformed() const;

  // At one version, without looking whether the server knows it.
  template <class Response, class Request>
  Task<Result<Response>> call_at(const Request& request, int16_t version) {
    kafka::Writer writer;
    const kafka::Writer::Frame frame = begin(writer, Request::kKey, version);
    encode(writer, version, request);
    if (Status done = co_await exchange(writer, frame); !done.ok()) co_return forward_error(done);
    Response response;
    kafka::Reader reader(frame_);
    if (!read_head(reader, Request::kKey, version) || !decode(reader, version, response) || !reader.rest().empty()) {
      co_return malformed();
    }
    co_return response;
  }
  kafka::Writer::Frame begin(kafka::Writer& writer, int16_t key, int16_t version);
  bool read_head(kafka::Reader& reader, int16_t key, int16_t version) const;
  // Sends the frame and reads the next into frame_.
  Task<Status> exchange(kafka::Writer& writer, kafka::Writer::Frame frame);
  Task<Status> read_bytes(size_t count);

  std::string address_;
  OpenTarget target_;
  std::map<int16_t, std::pair<int16_t, int16_t>> versions_;
  std::string frame_;  // the last answer
  int32_t correlation_id_ = 0;
  bool is_broken_ = false;
};

// The server could not be reached, so it has not been asked. It may be one that has just gone.
[[nodiscard]] bool was_not_asked(const Error& error);
// An error of the server's that passes by itself: a lead has moved, or is about to.
[[nodiscard]] bool passes(int16_t code);

// How long something is tried again.
class Patience {
 public:
  explicit Patience(env::Env& env) : env_(env) {}
  // Waits a little; false: long enough.
  Task<bool> once_more();

 private:
  env::Env& env_;
  int64_t until_ns_ = 0;
};
inline constexpr int64_t kPatienceMs = 30'000;

// To all of them.
class TopicClient {
 public:
  static Task<Result<std::unique_ptr<TopicClient>>> open(env::Env& env, TopicLogin login);

  // Of any server.
  template <class Response, class Request>
  Task<Result<Response>> call(const Request& request, int16_t version_max = Request::kVersionMax) {
    Result<TopicConnection*> at = co_await any();
    if (!at.ok()) co_return forward_error(at);
    co_return co_await (*at)->template call<Response>(request, version_max);
  }
  // Of that node, as topic() and coordinator() name it. kUnreachable: it may have done what it was asked; any other
  // error but kRefused and kMalformed: it cannot be reached.
  template <class Response, class Request>
  Task<Result<Response>> call_node(int32_t node, const Request& request, int16_t version_max = Request::kVersionMax) {
    Result<TopicConnection*> at = co_await connection(node);
    if (!at.ok()) co_return forward_error(at);
    co_return co_await (*at)->template call<Response>(request, version_max);
  }
  // Of the one that decides about topics; again, for as long as `error_in` finds an error in the answer that passes.
  template <class Response, class Request, class ErrorIn>
  Task<Result<Response>> call_controller(const Request& request, ErrorIn error_in,
                                         int16_t version_max = Request::kVersionMax) {
    for (Patience patience(env_);;) {
      Result<int32_t> node = co_await controller();
      if (!node.ok()) co_return forward_error(node);
      Result<Response> told = co_await call_node<Response>(*node, request, version_max);
      const bool is_passing = told.ok() ? passes(error_in(*told)) : was_not_asked(told.error());
      if (!is_passing || !co_await patience.once_more()) co_return told;
    }
  }
  // Likewise of the one that coordinates the group. Asks again also where it is not known whether it was done.
  template <class Response, class Request, class ErrorIn>
  Task<Result<Response>> call_coordinator(std::string group, const Request& request, ErrorIn error_in,
                                          int16_t version_max = Request::kVersionMax) {
    for (Patience patience(env_);;) {
      Result<int32_t> node = co_await coordinator(group);
      if (!node.ok()) co_return forward_error(node);
      Result<Response> told = co_await call_node<Response>(*node, request, version_max);
      const bool is_lost = !told.ok() && told.error().code() == TopicClientErrc::kUnreachable;
      const bool is_passing = told.ok() ? passes(error_in(*told)) : is_lost || was_not_asked(told.error());
      if (!is_passing || !co_await patience.once_more()) co_return told;
    }
  }
  // Of the server that was named.
  [[nodiscard]] const std::string& address() const { return login_.target.address; }
  [[nodiscard]] env::Env& env() { return env_; }

  // One topic's partitions, with their leaders of now (-1: none); kRefused if it is not there.
  Task<Result<kafka::MetadataResponseTopic>> topic(std::string name);
  // All servers.
  Task<Result<std::vector<int32_t>>> nodes();

 private:
  TopicClient(env::Env& env, TopicLogin login) : env_(env), login_(std::move(login)) {}
  Task<Result<TopicConnection*>> any();
  Task<Result<TopicConnection*>> connection(int32_t node);
  Task<Result<TopicConnection*>> connect(std::string address);
  Task<Result<int32_t>> controller();
  Task<Result<int32_t>> coordinator(std::string group);
  Task<Result<kafka::MetadataResponse>> metadata(kafka::MetadataRequest request);

  env::Env& env_;
  const TopicLogin login_;
  std::map<std::string, std::unique_ptr<TopicConnection>> connections_;  // by address
  std::map<int32_t, std::string> nodes_;                                 // their addresses, as told last
};

}  // namespace keelson::cli

template <>
struct std::is_error_code_enum<keelson::cli::TopicClientErrc> : std::true_type {};
