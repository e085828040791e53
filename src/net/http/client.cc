#include "net/http/client.h"

#include <utility>

namespace keelson::net::http {

namespace {

constexpr size_t kReadBytes = 64 << 10;

class HttpCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int code) const override {
    switch (static_cast<HttpErrc>(code)) {
      case HttpErrc::kOk:
        return "ok";
      case HttpErrc::kBroken:
        return "the connection ended before the answer did";
      case HttpErrc::kMalformed:
        return "the answer is not HTTP";
      case HttpErrc::kTimedOut:
        return "the server was silent for too long";
    }
    return "unknown";
  }
};

}  // namespace

std::error_code make_error_code(HttpErrc code) {
  static const HttpCategory category;
  return {static_cast<int>(code), category};
}

Client::Client(std::unique_ptr<env::Stream> stream, ClientOptions options)
    : stream_(std::move(stream)), options_(options), silence_(stream_->reactor(), [this] {
        has_timed_out_ = true;
        stream_->close();
      }) {}

Task<Status> Client::fill() {
  silence_.arm_after(int64_t{options_.silence_timeout_ms} * 1'000'000);
  char* to = in_.reserve(kReadBytes);
  const env::IoOutcome got = co_await stream_->read(std::span<char>(to, kReadBytes));
  silence_.disarm();
  if (has_timed_out_) {
    co_return fail(HttpErrc::kTimedOut, "http: " + stream_->remote().text() + " has sent nothing for " +
                                            std::to_string(options_.silence_timeout_ms / 1000) + " s");
  }
  if (!got.ok()) {
    co_return fail(HttpErrc::kBroken,
                   "http: " + stream_->remote().text() + " ended the connection before its answer was whole");
  }
  in_.commit(got.count);
  co_return Status();
}

Task<Result<ResponseHead>> Client::request(Request request) {
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + request.host + "\r\n";
  for (const auto& [name, value] : request.fields.lines()) text.append(name).append(": ").append(value).append("\r\n");
  if (!request.body.empty() || request.method == "POST") {
    text.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  }
  text.append("\r\n").append(request.body);
  const env::IoOutcome sent = co_await stream_->write(text);
  if (!sent.ok()) co_return fail(HttpErrc::kBroken, "http: cannot send to " + stream_->remote().text());

  HeadFinder finder(limits_);
  while (true) {
    const std::optional<size_t> size = finder.find(in_.view());
    ResponseHead head;
    Framing framing;
    Fault fault = finder.fault();
    if (size) {
      fault = parse_response_head(in_.view().substr(0, *size), limits_, request.method == "HEAD", head, framing);
      in_.consume(*size);
      finder.reset();
    }
    if (fault) {
      co_return fail(HttpErrc::kMalformed,
                     "http: " + stream_->remote().text() + " does not speak HTTP: " + std::string(fault.why));
    }
    if (size && head.status >= 200) {
      body_ = BodyDecoder(framing, UINT64_MAX);
      co_return head;
    }
    if (size) continue;  // 100 Continue and the like
    if (Status filled = co_await fill(); !filled.ok()) co_return forward_error(filled);
  }
}

Task<Result<std::string_view>> Client::read() {
  out_.clear();
  while (true) {
    if (Fault fault = body_.decode(in_, out_)) {
      co_return fail(HttpErrc::kMalformed,
                     "http: a bad answer from " + stream_->remote().text() + ": " + std::string(fault.why));
    }
    if (!out_.empty() || body_.is_done()) co_return out_.view();
    Status filled = co_await fill();
    if (filled.ok()) continue;
    if (filled.error().code() == HttpErrc::kBroken && body_.is_whole_at_end()) co_return std::string_view();
    co_return forward_error(filled);
  }
}

Task<Result<std::string>> Client::read_all(size_t bytes_max) {
  std::string all;
  while (true) {
    Result<std::string_view> piece = co_await read();
    if (!piece.ok()) co_return forward_error(piece);
    if (piece->empty()) co_return all;
    if (all.size() + piece->size() > bytes_max) {
      co_return fail(HttpErrc::kMalformed, "http: the answer of " + stream_->remote().text() + " is too large");
    }
    all.append(*piece);
  }
}

}  // namespace keelson::net::http
