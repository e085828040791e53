#include "cli/coord_client.h"

#include <charconv>
#include <utility>

#include "base/base64.h"
#include "base/numbers.h"
#include "env/reactor.h"

namespace keelson::cli {

namespace {

constexpr size_t kAnswerBytesMax = 256 << 20;  // a range of everything
constexpr size_t kLineBytesMax = 64 << 20;     // one answer of a stream
// gRPC's codes, as the gateway's errors carry them.
constexpr int64_t kUnavailable = 14;
constexpr int64_t kUnauthenticated = 16;
constexpr uint16_t kHttpGood = 200;
// Twice around: a kept connection that the server has closed meanwhile costs the first try.
constexpr size_t kRounds = 2;
constexpr int64_t kPauseNs = 100'000'000;

class CoordCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "coord"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<CoordErrc>(value)) {
      case CoordErrc::kOk:
        return "ok";
      case CoordErrc::kUnreachable:
        return "no server answers";
      case CoordErrc::kRefused:
        return "refused";
      case CoordErrc::kMalformed:
        return "malformed answer";
      case CoordErrc::kBadEndpoint:
        return "bad endpoint";
    }
    return "unknown";
  }
};

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// The error that an answer other than 200 tells: {"error": sentence, "code": gRPC's}. Streams wrap it once more.
std::unexpected<Error> refusal(const Json& answer, const std::string& address) {
  const Json& wrapped = member_in(answer, "error");
  const Json& inner = wrapped.is_object() ? wrapped : answer;
  std::string sentence = text_in(inner, "message");
  if (sentence.empty()) sentence = text_in(inner, "error");
  const int64_t code = std::max(number_in(inner, "code"), number_in(inner, "grpc_code"));
  if (sentence.empty()) {
    return fail(CoordErrc::kMalformed, address + " answers, but not as a server of etcd's API does");
  }
  if (code == kUnavailable) return fail(CoordErrc::kUnreachable, address + ": " + sentence);
  return fail(CoordErrc::kRefused, std::move(sentence));
}

}  // namespace

std::error_code make_error_code(CoordErrc code) {
  static const CoordCategory category;
  return {static_cast<int>(code), category};
}

const Json& member_in(const Json& json, const char* member) {
  static const Json kNone;
  if (!json.is_object()) return kNone;
  const auto found = json.find(member);
  return found == json.end() ? kNone : *found;
}

int64_t number_in(const Json& json, const char* member) {
  const Json& found = member_in(json, member);
  if (found.is_number_integer()) return found.get<int64_t>();
  if (!found.is_string()) return 0;
  const auto& text = found.get_ref<const std::string&>();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

bool flag_in(const Json& json, const char* member) {
  const Json& found = member_in(json, member);
  return found.is_boolean() && found.get<bool>();
}

std::string text_in(const Json& json, const char* member) {
  const Json& found = member_in(json, member);
  return found.is_string() ? found.get<std::string>() : std::string();
}

std::string bytes_in(const Json& json, const char* member) {
  return from_base64(text_in(json, member)).value_or(std::string());
}

const Json& list_in(const Json& json, const char* member) {
  static const Json kNone = Json::array();
  const Json& found = member_in(json, member);
  return found.is_array() ? found : kNone;
}

std::string as_bytes(std::string_view bytes) { return to_base64(bytes); }

std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 255) prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

CoordClient::CoordClient(env::Env& env, CoordTarget target) : env_(env), target_(std::move(target)) {}

Result<std::unique_ptr<CoordClient>> CoordClient::make(env::Env& env, CoordTarget target) {
  auto client = std::make_unique<CoordClient>(env, std::move(target));
  if (Status opened = client->open(); !opened.ok()) return forward_error(opened);
  return client;
}

Status CoordClient::open() {
  const Target& tls = target_.tls;
  if (tls.tls) {
    auto made = net::TlsContext::client(env_.disk(), {.ca_file = tls.ca_file,
                                                      .certificate_file = tls.certificate_file,
                                                      .key_file = tls.key_file,
                                                      .verify = !tls.insecure});
    if (!made.ok()) return forward_error(made);
    tls_ = std::move(*made);
  }
  for (const std::string& text : target_.endpoints) {
    const size_t colon = text.rfind(':');
    const auto port = colon == std::string::npos ? std::nullopt : parse_uint64(text.substr(colon + 1));
    if (!port || *port > UINT16_MAX || colon == 0)
      return fail(CoordErrc::kBadEndpoint, "\"" + text + "\" is no endpoint; say HOST:PORT");
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    net::http::ClientPoolOptions options{.to = {.host = host, .port = static_cast<uint16_t>(*port), .unix_path = {}},
                                         .tls = tls_.get(),
                                         .server_name = tls.server_name.empty() ? host : tls.server_name,
                                         .connect_timeout_ms = target_.timeout_ms,
                                         .client = {.silence_timeout_ms = target_.timeout_ms}};
    Endpoint endpoint{.address = text, .calls = {}, .streams = {}};
    endpoint.calls = std::make_unique<net::http::ClientPool>(env_.network(), env_.reactor(0), options);
    options.client.silence_timeout_ms = kSilenceMs;
    endpoint.streams = std::make_unique<net::http::ClientPool>(env_.network(), env_.reactor(0), options);
    endpoints_.push_back(std::move(endpoint));
  }
  if (endpoints_.empty()) return fail(CoordErrc::kBadEndpoint, "no endpoint is named");
  return {};
}

net::http::Client::Request CoordClient::make_request(const Endpoint& endpoint, const std::string& path,
                                                     const Json& body) const {
  net::http::Client::Request request{
      .method = "POST", .target = path, .host = endpoint.address, .fields = {}, .body = dumped(body)};
  request.fields.add("Content-Type", "application/json");
  if (!token_.empty()) request.fields.add("Authorization", token_);
  return request;
}

Task<Result<Json>> CoordClient::try_call(std::string path, Json body) {
  const Endpoint& endpoint = endpoints_[at_];
  auto fetched = co_await endpoint.calls->fetch(make_request(endpoint, path, body), kAnswerBytesMax);
  if (!fetched.ok()) co_return fail(CoordErrc::kUnreachable, endpoint.address + ": " + fetched.error().message());
  Json answer = Json::parse(fetched->body, nullptr, false);
  if (fetched->head.status != kHttpGood || answer.is_discarded()) {
    if (number_in(answer, "code") == kUnauthenticated) token_.clear();
    co_return refusal(answer, endpoint.address);
  }
  co_return answer;
}

Task<Status> CoordClient::sign_in() {
  Json body = {{"name", target_.user}, {"password", target_.password}};
  Result<Json> answer = co_await try_call("/v3/auth/authenticate", std::move(body));
  if (!answer.ok()) co_return forward_error(answer);
  const auto token = answer->find("token");
  if (token == answer->end() || !token->is_string()) co_return fail(CoordErrc::kMalformed, "the server gives no token");
  token_ = token->get<std::string>();
  co_return Status();
}

Task<Result<Json>> CoordClient::call(std::string path, Json body) {
  Result<Json> last = fail(CoordErrc::kUnreachable, "no server was asked");
  bool has_signed_in_again = false;
  for (size_t i = 0; i < kRounds * endpoints_.size(); ++i) {
    if (i == endpoints_.size()) co_await env::sleep_for(env_.reactor(0), kPauseNs);
    if (!target_.user.empty() && token_.empty()) {
      Status signed_in = co_await sign_in();
      if (!signed_in.ok() && signed_in.error().code() != CoordErrc::kUnreachable) co_return forward_error(signed_in);
      if (!signed_in.ok()) {
        last = forward_error(signed_in);
        next_endpoint();
        continue;
      }
    }
    last = co_await try_call(path, body);
    if (last.ok()) co_return last;
    // A token runs out, or belongs to a server that was started anew.
    if (!target_.user.empty() && token_.empty() && !has_signed_in_again) {
      has_signed_in_again = true;
      continue;
    }
    if (last.error().code() != CoordErrc::kUnreachable) co_return last;
    next_endpoint();
  }
  co_return last;
}

Task<Result<std::unique_ptr<CoordClient::Answers>>> CoordClient::begin(std::string path, Json body) {
  if (!target_.user.empty() && token_.empty()) {
    Status signed_in = co_await sign_in();
    if (!signed_in.ok()) {
      if (signed_in.error().code() == CoordErrc::kUnreachable) next_endpoint();
      co_return forward_error(signed_in);
    }
  }
  const Endpoint& endpoint = endpoints_[at_];
  Result<net::http::ClientPool::Lease> lease = co_await endpoint.streams->acquire();
  if (!lease.ok()) {
    next_endpoint();
    co_return fail(CoordErrc::kUnreachable, endpoint.address + ": " + lease.error().message());
  }
  Result<net::http::Response> head = co_await (*lease)->request(make_request(endpoint, path, body));
  if (!head.ok()) {
    next_endpoint();
    co_return fail(CoordErrc::kUnreachable, endpoint.address + ": " + head.error().message());
  }
  if (head->status != kHttpGood) {
    Result<std::string> text = co_await (*lease)->read_all(kLineBytesMax);
    const Json answer = text.ok() ? Json::parse(*text, nullptr, false) : Json();
    if (number_in(answer, "code") == kUnauthenticated) token_.clear();
    co_return refusal(answer, endpoint.address);
  }
  co_return std::make_unique<Answers>(std::move(*lease));
}

Task<Result<Json>> CoordClient::Answers::next() {
  for (;;) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos) {
      Json line = Json::parse(unread_.substr(0, end), nullptr, false);
      unread_.erase(0, end + 1);
      if (line.is_object() && line.contains("result")) co_return Json(line["result"]);
      co_return refusal(line, "the server");
    }
    if (unread_.size() > kLineBytesMax) co_return fail(CoordErrc::kMalformed, "an answer without an end");
    Result<std::string_view> piece = co_await lease_->read();
    if (!piece.ok() || piece->empty()) co_return fail(CoordErrc::kUnreachable, "the server has ended the stream");
    unread_.append(*piece);
  }
}

}  // namespace keelson::cli
