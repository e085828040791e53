#include "cli/blob_service.h"

#include <algorithm>
#include <utility>

#include "cli/blob_errors.h"
#include "env/hand_off.h"
#include "protocol/s3/digest.h"

namespace keelson::cli {

namespace {

using net::http::Client;
using net::http::HttpErrc;

constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr uint16_t kExpectationFailed = 417;  // RFC 9110 §15.5.18

// There are no more connections than turns, so nobody waits in the pool.
net::http::ClientPoolOptions pool_options(const BlobTarget& target, net::TlsContext* tls) {
  return {.to = {.host = target.endpoint.host, .port = target.endpoint.port, .unix_path = {}},
          .tls = tls,
          .server_name = target.endpoint.host,
          .connections_max = std::max(1U, target.parallel),
          .connect_timeout_ms = kBlobConnectMs,
          .client = {.silence_timeout_ms = kBlobSilenceMs, .continue_timeout_ms = kBlobAskFirstMs}};
}

// Gives the turn back when the attempt is over.
class Turn {
 public:
  explicit Turn(Turns& turns) : turns_(turns) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { turns_.give_back(); }

 private:
  Turns& turns_;
};

// Whether an attempt's failure is one of the connection.
bool is_of_connection(const Error& error) {
  const std::error_code code = error.code();
  return code == HttpErrc::kBroken || code == HttpErrc::kTimedOut || code == env::NetErrc::kReset ||
         code == env::NetErrc::kRefused || code == env::NetErrc::kTimedOut || code == env::NetErrc::kEof;
}

Result<std::string> sha256_of(BlobBody& body) {
  s3::Digest digest(s3::DigestKind::kSha256);
  for (uint64_t at = 0; at < body.size();) {
    Result<std::string_view> piece = body.piece(at);
    if (!piece.ok()) return forward_error(piece);
    digest.update(*piece);
    at += piece->size();
  }
  return s3::to_hex(digest.finish());
}

}  // namespace

Task<void> Turns::take() {
  if (free_ > 0) {
    --free_;
    co_return;
  }
  env::HandOff<bool> turn(reactor_);
  waiting_.emplace_back(turn.deliverer());
  (void)co_await turn;
}

void Turns::give_back() {
  if (waiting_.empty()) {
    ++free_;
    return;
  }
  auto next = std::move(waiting_.front());
  waiting_.pop_front();
  next(true);
}

// One request on its way, over all its attempts.
struct BlobService::Attempt {
  BlobRequest request;
  BlobBody* body = nullptr;
  BlobSink* sink = nullptr;
  TransferMeter* meter = nullptr;
  std::string payload_hash;

  // Of the present attempt.
  uint64_t moved_bytes = 0;
  bool is_on_kept_connection = false;
  bool has_answer = false;      // its head
  bool may_try_again = false;   // the server's words say so
  bool is_tls_failure = false;  // the certificate and the like: the same next time
  bool is_body_unsent = false;  // the server has answered before it had it

  void begin() {
    if (meter != nullptr) meter->moved_bytes -= moved_bytes;
    moved_bytes = 0;
    is_on_kept_connection = has_answer = may_try_again = is_tls_failure = is_body_unsent = false;
    if (sink != nullptr) sink->restart();
  }
  void moved(uint64_t bytes) {
    moved_bytes += bytes;
    if (meter != nullptr) meter->moved_bytes += bytes;
  }
};

Result<std::unique_ptr<BlobService>> BlobService::make(env::Env& env, BlobTarget target) {
  std::unique_ptr<net::TlsContext> tls;
  if (target.endpoint.tls) {
    auto made = net::TlsContext::client(env.disk(), target.tls);
    if (!made.ok()) return forward_error(made);
    tls = std::move(*made);
  }
  return std::unique_ptr<BlobService>(new BlobService(  // tidy: naked new, because the constructor is private.
      env, std::move(target), std::move(tls)));
}

BlobService::BlobService(env::Env& env, BlobTarget target, std::unique_ptr<net::TlsContext> tls)
    : reactor_(env.reactor(0)),
      target_(std::move(target)),
      tls_(std::move(tls)),
      turns_(reactor_, std::max(1U, target_.parallel)),
      pool_(env.network(), reactor_, pool_options(target_, tls_.get())) {}

BlobService::~BlobService() = default;

Task<Result<BlobAnswer>> BlobService::call(BlobRequest request, BlobBody* body, TransferMeter* meter) {
  return persist(std::move(request), body, nullptr, meter);
}

Task<Result<BlobAnswer>> BlobService::fetch(BlobRequest request, BlobSink& sink, TransferMeter* meter) {
  return persist(std::move(request), nullptr, &sink, meter);
}

Task<Result<BlobAnswer>> BlobService::persist(BlobRequest request, BlobBody* body, BlobSink* sink,
                                              TransferMeter* meter) {
  Attempt one{.request = std::move(request), .body = body, .sink = sink, .meter = meter, .payload_hash = {}};
  const bool is_near = env::Address{.host = target_.endpoint.host, .port = 0, .unix_path = {}}.is_loopback();
  if (body == nullptr) {
    one.payload_hash = s3::to_hex(s3::digest_of(s3::DigestKind::kSha256, one.request.content));
  } else if (target_.endpoint.tls || is_near || target_.endpoint.host == "localhost") {
    one.payload_hash = kUnsigned;  // nobody stands between
  } else {
    Result<std::string> hash = sha256_of(*body);
    if (!hash.ok()) co_return forward_error(hash);
    one.payload_hash = std::move(*hash);
  }
  for (unsigned failures = 0;;) {
    Result<BlobAnswer> answer = co_await attempt(one);
    if (answer.ok()) co_return answer;
    const bool is_broken = is_of_connection(answer.error()) && !one.is_tls_failure;
    // The server may close a connection that it kept for long enough; that says nothing about the next.
    if (is_broken && one.is_on_kept_connection && !one.has_answer) continue;
    const bool is_first_contact = !was_connected_ && answer.error().code() == env::NetErrc::kRefused;
    if ((!is_broken && !one.may_try_again) || is_first_contact || ++failures == kBlobAttemptsMax) {
      one.begin();  // nothing of it counts
      co_return forward_error(answer);
    }
    ++retries_;
    co_await pause(failures);
  }
}

Task<void> BlobService::pause(unsigned failures) {
  const int64_t full_ms = std::min(kBlobPauseMaxMs, kBlobPauseFirstMs << (failures - 1));
  const auto chance = static_cast<int64_t>(reactor_.random().next() % static_cast<uint64_t>(full_ms / 2 + 1));
  co_await env::sleep_for(reactor_, (full_ms / 2 + chance) * 1'000'000);
}

Task<Result<BlobAnswer>> BlobService::attempt(Attempt& one) {
  co_await turns_.take();
  const Turn turn(turns_);
  one.begin();
  Result<net::http::ClientPool::Lease> client = co_await open(one);
  if (!client.ok()) co_return forward_error(client);
  Result<BlobAnswer> answer = co_await exchange(one, **client);
  if (!answer.ok()) {
    const std::string why = net::TlsContext::failure_of((*client)->stream());
    if (!why.empty()) {
      one.is_tls_failure = true;
      co_return fail(answer.error().code(), answer.error().message() + " (TLS: " + why + ")");
    }
  }
  co_return answer;
}

Task<Result<net::http::ClientPool::Lease>> BlobService::open(Attempt& one) {
  Result<net::http::ClientPool::Lease> lease = co_await pool_.acquire();
  if (lease.ok()) {
    was_connected_ = true;
    one.is_on_kept_connection = lease->is_reused();
    co_return lease;
  }
  if (lease.error().code() != env::NetErrc::kRefused) co_return lease;
  co_return fail(lease.error().code(),
                 lease.error().message() +
                     ". Is the server running there? Another one is named by --endpoint or KEELSON_S3_ENDPOINT");
}

Task<Status> BlobService::send(Attempt& one, Client& client) {
  const std::string authority = target_.endpoint.authority();
  Client::Request head{.method = one.request.method, .target = request_target(one.request), .host = authority};
  for (const auto& [name, value] : signed_headers(one.request, authority, target_.keys, target_.region,
                                                  one.payload_hash, reactor_.clock().wall_ms())) {
    head.fields.add(name, value);
  }
  if (one.body == nullptr) {
    const uint64_t length = one.request.content.size();
    head.body = one.request.content;
    if (Status begun = co_await client.begin(std::move(head), length); !begun.ok()) co_return begun;
    co_return co_await client.end();
  }
  const uint64_t size = one.body->size();
  head.expects_continue = asks_first_ && size >= kBlobAskFirstBytes;
  const bool asks_first = head.expects_continue;
  if (Status begun = co_await client.begin(std::move(head), size); !begun.ok()) co_return begun;
  if (asks_first) {
    Result<bool> may_go = co_await client.await_continue();
    if (!may_go.ok()) co_return forward_error(may_go);
    one.is_body_unsent = !*may_go;
    if (one.is_body_unsent) co_return Status();
  }
  for (uint64_t at = 0; at < size;) {
    Result<std::string_view> piece = one.body->piece(at);
    if (!piece.ok()) co_return forward_error(piece);
    if (Status sent = co_await client.send(*piece); !sent.ok()) co_return sent;
    at += piece->size();
    one.moved(piece->size());
  }
  co_return co_await client.end();
}

Task<Result<BlobAnswer>> BlobService::exchange(Attempt& one, Client& client) {
  Status sent = co_await send(one, client);
  // A server that refuses a large body answers before it has read it all, and closes.
  if (!sent.ok() && sent.error().code() != HttpErrc::kBroken) co_return forward_error(sent);
  Result<BlobAnswer> answer = co_await receive(one, client);
  if (!sent.ok() && (answer.ok() || !one.has_answer)) co_return forward_error(sent);
  if (answer.ok() && one.is_body_unsent) {
    co_return fail(HttpErrc::kMalformed,
                   "the server has answered as if it had " + one.request.place() + ", of which nothing was sent");
  }
  co_return answer;
}

Task<Result<BlobAnswer>> BlobService::receive(Attempt& one, Client& client) {
  Result<net::http::Response> head = co_await client.response();
  if (!head.ok()) co_return forward_error(head);
  one.has_answer = true;
  BlobAnswer answer{.status = head->status, .fields = std::move(head->fields)};
  const bool is_good = answer.status >= 200 && answer.status < 300;
  if (is_good && one.sink != nullptr) {
    while (true) {
      Result<std::string_view> piece = co_await client.read();
      if (!piece.ok()) co_return forward_error(piece);
      if (piece->empty()) co_return answer;
      if (Status taken = one.sink->take(*piece); !taken.ok()) co_return forward_error(taken);
      one.moved(piece->size());
    }
  }
  Result<std::string> content = co_await client.read_all(is_good ? kBlobAnswerBytesMax : kBlobErrorBytesMax);
  if (!content.ok() && (is_good || content.error().code() != HttpErrc::kTooLarge)) co_return forward_error(content);
  if (content.ok()) answer.content = std::move(*content);
  // Copying and completing begin their answer with 200 before they know how they end.
  const bool may_be_error = is_good && one.request.method != "GET" && !answer.content.empty();
  if (is_good && !may_be_error) co_return answer;
  const ServerWords words = read_server_words(answer.status, answer.content);
  if (is_good && answer.content.find("<Error>") == std::string::npos) co_return answer;
  one.may_try_again = is_worth_retrying(words);
  if (answer.status == kExpectationFailed && std::exchange(asks_first_, false)) one.may_try_again = true;
  co_return std::unexpected<Error>(server_error(words, one.request.place()));
}

}  // namespace keelson::cli
