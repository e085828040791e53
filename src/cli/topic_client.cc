#include "cli/topic_client.h"

#include <algorithm>
#include <span>

#include "env/clock.h"
#include "env/env.h"
#include "env/reactor.h"
#include "protocol/kafka/apis.h"
#include "protocol/kafka/headers.h"
#include "protocol/kafka/messages/api_versions.h"
#include "protocol/kafka/messages/find_coordinator.h"
#include "protocol/kafka/messages/sasl_authenticate.h"
#include "protocol/kafka/messages/sasl_handshake.h"

namespace keelson::cli {

namespace {

// Answers are as large as what was asked for; the largest that is asked for is a fetch.
constexpr size_t kAnswerBytesMax = size_t{256} << 20;
constexpr size_t kReadBytesMax = size_t{1} << 20;
constexpr size_t kSizeBytes = 4;
constexpr std::string_view kClientId = "keelson";
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kRetryMs = 200;

class TopicClientCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "topic"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<TopicClientErrc>(value)) {
      case TopicClientErrc::kOk:
        return "ok";
      case TopicClientErrc::kUsage:
        return "bad argument";
      case TopicClientErrc::kUnreachable:
        return "the connection broke";
      case TopicClientErrc::kRefused:
        return "refused";
      case TopicClientErrc::kMalformed:
        return "malformed answer";
      case TopicClientErrc::kTooOld:
        return "the server does not know the request";
    }
    return "unknown";
  }
};

struct ErrorText {
  int16_t code;
  std::string_view name, text;
};
constexpr ErrorText kErrors[] = {
#define KAFKA_ERROR(code, constant, name, retriable, text) {code, #name, text},
#include "protocol/kafka/error_table.def"
#undef KAFKA_ERROR
};

}  // namespace

std::error_code make_error_code(TopicClientErrc code) {
  static const TopicClientCategory category;
  return {static_cast<int>(code), category};
}

std::string kafka_error_text(int16_t code) {
  const auto* found = std::ranges::find(kErrors, code, &ErrorText::code);
  if (found == std::end(kErrors)) return "error " + std::to_string(code);
  return std::string(found->name) + ": " + std::string(found->text);
}

std::unexpected<Error> refused(const std::string& what, int16_t code, const std::optional<std::string>& sentence) {
  const auto* found = std::ranges::find(kErrors, code, &ErrorText::code);
  std::string text = kafka_error_text(code);
  if (sentence && !sentence->empty() && found != std::end(kErrors)) text = std::string(found->name) + ": " + *sentence;
  return fail(TopicClientErrc::kRefused, what + ": the server says " + text);
}

Task<Result<std::unique_ptr<TopicConnection>>> TopicConnection::open(env::Env& env, TopicLogin login) {
  Result<OpenTarget> open = co_await open_target(env, login.target);
  if (!open.ok()) co_return forward_error(open);
  // tidy: naked new, because the constructor is private.
  std::unique_ptr<TopicConnection> client(new TopicConnection());
  client->address_ = login.target.address;
  client->target_ = std::move(*open);
  if (Status learnt = co_await client->learn_versions(); !learnt.ok()) co_return forward_error(learnt);
  if (!login.user.empty()) {
    if (Status in = co_await client->sign_in(login); !in.ok()) co_return forward_error(in);
  }
  co_return client;
}

Task<Status> TopicConnection::learn_versions() {
  const kafka::ApiVersionsRequest request;
  Result<kafka::ApiVersionsResponse> told = co_await call_at<kafka::ApiVersionsResponse>(request, 0);
  if (!told.ok()) co_return forward_error(told);
  if (told->error_code != 0) co_return refused(address_, told->error_code);
  for (const auto& api : told->api_keys) versions_[api.api_key] = {api.min_version, api.max_version};
  co_return Status();
}

Task<Status> TopicConnection::sign_in(const TopicLogin& login) {
  kafka::SaslHandshakeRequest handshake;
  handshake.mechanism = "PLAIN";
  auto shaken = co_await call<kafka::SaslHandshakeResponse>(handshake);
  if (!shaken.ok()) co_return forward_error(shaken);
  if (shaken->error_code != 0) co_return refused("signing in with PLAIN", shaken->error_code);
  // RFC 4616: whom to act for (nobody else), who, password.
  const std::string message = std::string(1, '\0') + login.user + std::string(1, '\0') + login.target.password;
  kafka::SaslAuthenticateRequest authenticate;
  authenticate.auth_bytes = message;
  auto answer = co_await call<kafka::SaslAuthenticateResponse>(authenticate);
  if (!answer.ok()) co_return forward_error(answer);
  if (answer->error_code != 0)
    co_return refused("signing in as " + login.user, answer->error_code, answer->error_message);
  co_return Status();
}

std::optional<int16_t> TopicConnection::version_for(int16_t key, int16_t low, int16_t high) const {
  const auto found = versions_.find(key);
  if (found == versions_.end()) return std::nullopt;
  const int16_t version = std::min(high, found->second.second);
  if (version < std::max(low, found->second.first)) return std::nullopt;
  return version;
}

std::unexpected<Error> TopicConnection::too_old(int16_t key) const {
  const kafka::ApiRow* row = kafka::find_api(key);
  const std::string name = row == nullptr ? std::to_string(key) : std::string(row->name);
  return fail(TopicClientErrc::kTooOld, address_ + " does not know the request " + name + " as we do");
}

std::unexpected<Error> TopicConnection::malformed() const {
  return fail(TopicClientErrc::kMalformed, address_ + " answers, but not as a server of Kafka's protocol does");
}

kafka::Writer::Frame TopicConnection::begin(kafka::Writer& writer, int16_t key, int16_t version) {
  const kafka::Writer::Frame frame = writer.begin_frame();
  write_request_header(writer,
                       {.key = key, .version = version, .correlation_id = ++correlation_id_, .client_id = kClientId});
  return frame;
}

bool TopicConnection::read_head(kafka::Reader& reader, int16_t key, int16_t version) const {
  int32_t number = 0;
  return read_response_header(reader, static_cast<kafka::ApiKey>(key), version, number) && number == correlation_id_;
}

Task<Status> TopicConnection::exchange(kafka::Writer& writer, kafka::Writer::Frame frame) {
  if (!writer.end_frame(frame)) co_return fail(TopicClientErrc::kUsage, "a request of more than 2 GiB");
  const std::string bytes = writer.flattened();
  const env::IoOutcome sent = co_await target_.stream->write(bytes);
  if (!sent.ok()) {
    is_broken_ = true;
    co_return fail(TopicClientErrc::kUnreachable, with_tls_reason(target_, "the connection to " + address_ + " broke"));
  }
  if (Status head = co_await read_bytes(kSizeBytes); !head.ok()) co_return head;
  const int32_t size = kafka::Reader(frame_).int32();
  if (size < 0 || static_cast<size_t>(size) > kAnswerBytesMax) co_return malformed();
  co_return co_await read_bytes(static_cast<size_t>(size));
}

Task<Status> TopicConnection::read_bytes(size_t count) {
  frame_.clear();
  while (frame_.size() < count) {
    // By as much as may have come, so that a size that lies takes no memory.
    const size_t before = frame_.size();
    const size_t more = std::min(count - before, kReadBytesMax);
    frame_.resize(before + more);
    const env::IoOutcome got = co_await target_.stream->read(std::span<char>(frame_.data() + before, more));
    if (!got.ok()) {
      is_broken_ = true;
      const std::string what =
          got.error == env::NetErrc::kEof
              ? " closed the connection; does it speak Kafka's protocol, and without TLS or a user?"
              : " cannot be reached any more";
      co_return fail(TopicClientErrc::kUnreachable, with_tls_reason(target_, address_ + what));
    }
    frame_.resize(before + got.count);
  }
  co_return Status();
}

bool was_not_asked(const Error& error) {
  return error.code().category() != make_error_code(TopicClientErrc::kOk).category();
}

bool passes(int16_t code) {
  // LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
  // NOT_COORDINATOR, NOT_CONTROLLER.
  constexpr int16_t kPassing[] = {5, 6, 14, 15, 16, 41};
  return std::ranges::find(kPassing, code) != std::end(kPassing);
}

Task<bool> Patience::once_more() {
  env::Reactor& here = env_.reactor(0);
  const int64_t now_ns = here.clock().monotonic_ns();
  if (until_ns_ == 0) until_ns_ = now_ns + kPatienceMs * kNsPerMs;
  if (now_ns >= until_ns_) co_return false;
  co_await env::sleep_for(here, kRetryMs * kNsPerMs);
  co_return true;
}

Task<Result<std::unique_ptr<TopicClient>>> TopicClient::open(env::Env& env, TopicLogin login) {
  // tidy: naked new, because the constructor is private.
  std::unique_ptr<TopicClient> client(new TopicClient(env, std::move(login)));
  Result<TopicConnection*> named = co_await client->connect(client->address());
  if (!named.ok()) co_return forward_error(named);
  co_return client;
}

Task<Result<TopicConnection*>> TopicClient::connect(std::string address) {
  std::unique_ptr<TopicConnection>& known = connections_[address];
  if (known != nullptr && !known->is_broken()) co_return known.get();
  known.reset();
  TopicLogin login = login_;
  login.target.address = std::move(address);
  auto made = co_await TopicConnection::open(env_, std::move(login));
  if (!made.ok()) co_return forward_error(made);
  // Its place is where it was: nodes are stable in a map.
  known = std::move(*made);
  co_return known.get();
}

Task<Result<TopicConnection*>> TopicClient::any() {
  Result<TopicConnection*> named = co_await connect(address());
  if (named.ok()) co_return named;
  // The others that it has told of.
  const std::map<int32_t, std::string> others = nodes_;
  for (const auto& [node, at] : others) {
    Result<TopicConnection*> other = co_await connect(at);
    if (other.ok()) co_return other;
  }
  co_return named;
}

Task<Result<TopicConnection*>> TopicClient::connection(int32_t node) {
  const auto at = nodes_.find(node);
  // A server alone may give an address that is not ours to reach.
  if (at == nodes_.end() || nodes_.size() == 1) return any();
  return connect(at->second);
}

Task<Result<kafka::MetadataResponse>> TopicClient::metadata(kafka::MetadataRequest request) {
  for (Patience patience(env_);;) {
    auto told = co_await call<kafka::MetadataResponse>(request);
    const bool is_lost = !told.ok() && told.error().code() == TopicClientErrc::kUnreachable;
    if (is_lost && co_await patience.once_more()) continue;
    if (!told.ok()) co_return forward_error(told);
    nodes_.clear();
    for (const auto& broker : told->brokers) {
      const bool is_ipv6 = broker.host.find(':') != std::string::npos;
      const std::string host = is_ipv6 ? "[" + broker.host + "]" : broker.host;
      nodes_[broker.node_id] = host + ":" + std::to_string(broker.port);
    }
    co_return told;
  }
}

Task<Result<kafka::MetadataResponseTopic>> TopicClient::topic(std::string name) {
  kafka::MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = {}, .name = name});
  request.allow_auto_topic_creation = false;
  for (Patience patience(env_);;) {
    auto told = co_await metadata(request);
    if (!told.ok()) co_return forward_error(told);
    if (told->topics.size() != 1) {
      co_return fail(TopicClientErrc::kMalformed, address() + " answers, but not as a server of Kafka's protocol does");
    }
    kafka::MetadataResponseTopic topic = std::move(told->topics[0]);
    if (passes(topic.error_code) && co_await patience.once_more()) continue;
    if (topic.error_code != 0) co_return refused("topic " + name, topic.error_code);
    std::ranges::sort(topic.partitions, {}, &kafka::MetadataResponsePartition::partition_index);
    co_return topic;
  }
}

Task<Result<std::vector<int32_t>>> TopicClient::nodes() {
  kafka::MetadataRequest request;
  request.topics.emplace();
  auto told = co_await metadata(std::move(request));
  if (!told.ok()) co_return forward_error(told);
  std::vector<int32_t> all;
  for (const auto& [node, at] : nodes_) all.push_back(node);
  co_return all;
}

Task<Result<int32_t>> TopicClient::controller() {
  kafka::MetadataRequest request;
  request.topics.emplace();
  auto told = co_await metadata(std::move(request));
  if (!told.ok()) co_return forward_error(told);
  co_return told->controller_id;
}

Task<Result<int32_t>> TopicClient::coordinator(std::string group) {
  // Whose address is known by its number.
  if (auto all = co_await nodes(); !all.ok()) co_return forward_error(all);
  // One group in a request: later versions ask for several.
  constexpr int16_t kFindVersionMax = 3;
  kafka::FindCoordinatorRequest request;
  request.key = group;
  for (Patience patience(env_);;) {
    auto told = co_await call<kafka::FindCoordinatorResponse>(request, kFindVersionMax);
    if (!told.ok()) co_return forward_error(told);
    if (told->error_code == 0) co_return told->node_id;
    if (passes(told->error_code) && co_await patience.once_more()) continue;
    co_return refused("group " + group, told->error_code, told->error_message);
  }
}

}  // namespace keelson::cli
