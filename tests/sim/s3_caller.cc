#include "tests/sim/s3_caller.h"

#include <utility>

#include "env/network.h"
#include "protocol/s3/digest.h"

namespace keelson::sim_test {

namespace {

constexpr size_t kAnswerBytesMax = size_t{16} << 20;
constexpr uint32_t kSilenceMs = 2000;

}  // namespace

std::string S3Reply::text() const {
  if (kind == Kind::kNotSent) return "no connection";
  if (kind == Kind::kDoubt) return "no answer";
  std::string told = std::to_string(status);
  const s3::XmlElement root = xml();
  if (const auto code = root.child_text("Code")) told.append(" ").append(*code);
  if (const auto message = root.child_text("Message")) told.append(": ").append(*message);
  return told;
}

S3Reply S3Caller::doubt() {
  client_.reset();
  ++doubts_;
  return {};
}

Task<bool> S3Caller::connect() {
  if (client_ != nullptr && client_->is_reusable()) co_return true;
  client_.reset();
  auto stream = co_await env_.network().connect(here_, server_);
  if (!stream.ok()) co_return false;
  client_ = std::make_unique<net::http::Client>(std::move(*stream),
                                                net::http::ClientOptions{.silence_timeout_ms = kSilenceMs});
  co_return true;
}

net::http::Client::Request S3Caller::make(const BlobRequest& request) const {
  net::http::Client::Request made;
  made.method = request.method;
  made.target = cli::request_target(request);
  made.host = server_.text();
  const cli::BlobKeys keys{std::string(kRootId), std::string(kRootSecret), {}};
  const std::string hash = request.content.size() % 2 == 0
                               ? s3::to_hex(s3::digest_of(s3::DigestKind::kSha256, request.content))
                               : std::string("UNSIGNED-PAYLOAD");
  for (const auto& [name, value] :
       cli::signed_headers(request, made.host, keys, "us-east-1", hash, env_.clock().wall_ms())) {
    made.fields.add(name, value);
  }
  return made;
}

Task<S3Reply> S3Caller::call(BlobRequest request) {
  if (!co_await connect()) co_return S3Reply{.kind = S3Reply::Kind::kNotSent};
  net::http::Client::Request made = make(request);
  made.body = std::move(request.content);
  Result<net::http::Response> response = fail(net::http::HttpErrc::kBroken, "not sent");
  if (request.method == "PUT" || request.method == "POST") {
    const std::string body = std::move(made.body);
    if (Status begun = co_await client_->begin(std::move(made), body.size()); !begun.ok()) co_return doubt();
    Status sent = body.empty() ? Status() : co_await client_->send(body);
    if (sent.ok()) sent = co_await client_->end();
    response = co_await client_->response();
  } else {
    response = co_await client_->request(std::move(made));
  }
  if (!response.ok()) co_return doubt();
  Result<std::string> body = co_await client_->read_all(kAnswerBytesMax);
  if (!body.ok()) co_return doubt();
  S3Reply reply{S3Reply::Kind::kAnswered, response->status, std::move(response->fields), std::move(*body)};
  if (!client_->is_reusable()) client_.reset();
  co_return reply;
}

Task<void> S3Caller::call_cut_short(BlobRequest request, size_t body_bytes) {
  if (!co_await connect()) co_return;
  net::http::Client::Request made = make(request);
  const Status begun = co_await client_->begin(std::move(made), request.content.size());
  if (begun.ok() && body_bytes != 0)
    (void)co_await client_->send(std::string_view(request.content).substr(0, body_bytes));
  client_.reset();
}

}  // namespace keelson::sim_test
