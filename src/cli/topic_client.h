// A client of Kafka's protocol, as `keelson topic` needs it: one connection, one request at a time, each at the newest
// version that both sides know. It speaks to Apache Kafka as well.
//
// A partition that another node leads is an error that says so: requests go to the server that was named.
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

class TopicClient {
 public:
  // Connects, signs in, and asks what the server knows.
  static Task<Result<std::unique_ptr<TopicClient>>> open(env::Env& env, TopicLogin login);

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

  // One topic's partitions; kRefused if it is not there.
  Task<Result<kafka::MetadataResponseTopic>> topic(std::string name);

 private:
  TopicClient() = default;
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
};

}  // namespace keelson::cli

template <>
struct std::is_error_code_enum<keelson::cli::TopicClientErrc> : std::true_type {};
