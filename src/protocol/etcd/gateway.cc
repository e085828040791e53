#include "protocol/etcd/gateway.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "net/grpc/status.h"
#include "protocol/etcd/asker.h"
#include "protocol/etcd/json.h"
#include "protocol/etcd/kv_answer.h"
#include "protocol/etcd/pipe.h"

namespace keelson::etcd {

namespace {

using net::grpc::CallStatus;
using net::grpc::Code;
using net::grpc::Read;
using net::http::Exchange;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kText = "text/plain; charset=utf-8";

// grpc-gateway's paths besides those of the table.
struct OtherPath {
  std::string_view path;
  MethodId method;
};
constexpr std::array<OtherPath, 3> kOtherPaths = {{
    {"/kv/lease/revoke", MethodId::kLease_LeaseRevoke},
    {"/kv/lease/timetolive", MethodId::kLease_LeaseTimeToLive},
    {"/kv/lease/leases", MethodId::kLease_LeaseLeases},
}};

// A name that a client of gRPC gave need not be UTF-8.
CallStatus not_json() { return {Code::kInternal, "the answer holds a text that is not UTF-8"}; }

std::string error_json(const CallStatus& status) {
  const std::string text = quote_json(status.message);
  return "{\"error\":" + text + ",\"message\":" + text + ",\"code\":" + std::to_string(static_cast<int>(status.code)) +
         "}";
}

// A call that came as JSON. What the client sends is read whole before the call begins: nobody talks both ways in JSON.
class JsonPipe final : public Pipe {
 public:
  JsonPipe(Exchange& exchange, const MethodRow& method, std::string body)
      : exchange_(exchange), method_(method), body_(std::move(body)), left_(body_) {
    exchange_.on_gone = [this] { cancel({Code::kCancelled, "context canceled"}); };
  }
  ~JsonPipe() override { exchange_.on_gone = nullptr; }

  env::Reactor& reactor() override { return exchange_.reactor(); }
  std::optional<std::string_view> metadata(std::string_view name) override {
    return exchange_.request().fields().find(name);
  }
  Task<Read> read(std::string_view& message) override;
  const CallStatus& failure() const override { return failure_; }
  Task<bool> send(std::string_view message) override;
  bool is_cancelled() const override { return is_cancelled_; }
  const CallStatus& cancellation() const override { return cancellation_; }
  void cancel(CallStatus why) override {
    if (std::exchange(is_cancelled_, true)) return;
    cancellation_ = std::move(why);
    if (on_cancel) std::exchange(on_cancel, nullptr)();
  }
  // Of a stream.
  Task<void> finish(CallStatus status);

 private:
  Exchange& exchange_;
  const MethodRow& method_;
  const std::string body_;
  std::string_view left_;
  std::string message_;
  CallStatus failure_;
  CallStatus cancellation_;
  bool is_cancelled_ = false;
  bool has_begun_ = false;
};

Task<Read> JsonPipe::read(std::string_view& message) {
  if (!failure_.ok()) co_return Read::kFailed;
  if (left_.find_first_not_of(" \t\r\n") == std::string_view::npos) co_return Read::kEnd;
  const size_t bytes = first_json_bytes(left_);
  std::string why = "unexpected EOF";
  std::optional<std::string> parsed;
  if (bytes != 0) parsed = from_json(method_.request, left_.substr(0, bytes), why);
  if (!parsed) {
    failure_ = {Code::kInvalidArgument, std::move(why)};
    co_return Read::kFailed;
  }
  left_.remove_prefix(bytes);
  message_ = std::move(*parsed);
  message = message_;
  co_return Read::kMessage;
}

Task<bool> JsonPipe::send(std::string_view message) {
  const std::optional<std::string> json = to_json(method_.response, message);
  if (!json) {
    cancel(not_json());
    co_return false;
  }
  if (!std::exchange(has_begun_, true) && !co_await exchange_.begin(200, kJson)) co_return false;
  const std::string line = "{\"result\":" + *json + "}\n";
  const bool is_there = co_await exchange_.send(line);
  if (!is_there) cancel({Code::kCancelled, "context canceled"});
  co_return is_there;
}

Task<void> JsonPipe::finish(CallStatus status) {
  if (!has_begun_) {
    if (!status.ok()) {
      (void)co_await exchange_.respond(net::grpc::http_status(status.code), kJson, error_json(status));
      co_return;
    }
    if (!co_await exchange_.begin(200, kJson)) co_return;
  } else if (!status.ok()) {
    const std::string line = "{\"error\":{\"grpc_code\":" + std::to_string(static_cast<int>(status.code)) +
                             ",\"http_code\":" + std::to_string(net::grpc::http_status(status.code)) +
                             ",\"message\":" + quote_json(status.message) + "}}\n";
    if (!co_await exchange_.send(line)) co_return;
  }
  (void)co_await exchange_.end();
}

std::optional<size_t> find_method(std::string_view path) {
  bool is_of_gateway = false;
  for (const std::string_view prefix : {"/v3/", "/v3beta/", "/v3alpha/"}) {
    if (!path.starts_with(prefix)) continue;
    path.remove_prefix(prefix.size() - 1);
    is_of_gateway = true;
    break;
  }
  if (!is_of_gateway) return std::nullopt;
  for (const OtherPath& other : kOtherPaths) {
    if (other.path == path) return static_cast<size_t>(other.method);
  }
  const auto rows = method_table();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].json_path == path) return i;
  }
  return std::nullopt;
}

Task<void> answer_method(EtcdService& service, Exchange& exchange, size_t index) {
  const MethodRow& method = method_table()[index];
  if (exchange.request().method() != "POST") {
    exchange.add_field("Allow", "POST");
    (void)co_await exchange.respond(405, kText, "Method Not Allowed\n");
    co_return;
  }
  service.local(exchange.reactor()).metrics.gateway_requests.add();
  // JSON is longer than what it stands for: base64 by a third, and the names.
  const size_t bytes_max = 2 * service.options().request_bytes_max;
  Result<std::string> body = co_await exchange.read_all(bytes_max);
  if (!body.ok()) {
    if (body.error().code() == net::http::HttpErrc::kTooLarge) {
      (void)co_await exchange.respond(400, kJson, error_json(status_of(ProtocolErrc::kRequestTooLarge)));
    }
    co_return;
  }
  JsonPipe pipe(exchange, method, std::move(*body));
  if (method.kind == MethodKind::kStream) {
    CallStatus status = co_await service.stream(index, pipe);
    co_await pipe.finish(std::move(status));
    co_return;
  }
  Reply reply;
  std::string_view message;
  const Read got = co_await pipe.read(message);  // no body at all is an empty message
  if (got == Read::kFailed) {
    reply.status = pipe.failure();
  } else {
    reply = co_await service.call(index, pipe, message);
  }
  std::optional<std::string> json;
  if (reply.status.ok() && !(json = to_json(method.response, reply.message))) reply.status = not_json();
  if (!reply.status.ok()) {
    (void)co_await exchange.respond(net::grpc::http_status(reply.status.code), kJson, error_json(reply.status));
    co_return;
  }
  (void)co_await exchange.respond(200, kJson, *json);
}

// Can a range be read, as etcd's own health check does it?
Task<void> answer_health(EtcdService& service, Exchange& exchange) {
  const coord::Range question{.key = "a", .count_only = true};
  auto [outcome, sink] = co_await service.coord().query(exchange.reactor(), question,
                                                        std::make_unique<KvAnswer>(service.members().facts()));
  // Permission denied is an answer too: there is a leader, and it answers.
  const bool is_healthy = outcome == coord::ServiceErrc::kOk;
  (void)co_await exchange.respond(is_healthy ? 200 : 503, is_healthy ? kText : kJson,
                                  is_healthy ? R"({"health":"true"})" : R"({"health":"false"})");
}

Task<void> answer_version(Exchange& exchange) {
  const std::string text = "{\"etcdserver\":\"" + std::string(kEtcdVersion) + "\",\"etcdcluster\":\"" +
                           std::string(kEtcdClusterVersion) + "\"}";
  (void)co_await exchange.respond(200, kJson, text);
}

Task<void> answer_metrics(EtcdService& service, Exchange& exchange) {
  const std::string text = co_await service.options().metrics_text(exchange.reactor());
  (void)co_await exchange.respond(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", text);
}

}  // namespace

Task<void> handle_gateway(EtcdService& service, Exchange& exchange) {
  const std::string_view path = exchange.request().path();
  if (const std::optional<size_t> method = find_method(path)) {
    co_await answer_method(service, exchange, *method);
  } else if (exchange.request().method() != "GET" && exchange.request().method() != "HEAD") {
    (void)co_await exchange.respond(404, kText, "404 page not found\n");
  } else if (path == "/health") {
    co_await answer_health(service, exchange);
  } else if (path == "/version") {
    co_await answer_version(exchange);
  } else if (path == "/metrics" && service.options().metrics_text) {
    co_await answer_metrics(service, exchange);
  } else {
    (void)co_await exchange.respond(404, kText, "404 page not found\n");
  }
}

}  // namespace keelson::etcd
