// An S3 service as a client sees it: requests with their answers, over a few connections that are kept, sent again when
// the connection breaks or the server asks for patience.
//
//   auto service = BlobService::make(env, target);
//   Result<BlobAnswer> answer = co_await (*service)->call({.method = "HEAD", .bucket = "b", .key = "k"});
//
// At most `parallel` requests are under way; more wait for their turn. What is sent again: after a broken connection or
// silence, and for what is_worth_retrying() names; after a pause that doubles and is drawn by chance, so that many
// clients do not come back at once. All requests of S3 that this program sends may be sent twice; who completes an
// upload or creates one must look at what a second answer means.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/blob_body.h"
#include "cli/blob_request.h"
#include "env/env.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/client.h"
#include "net/http/client_pool.h"
#include "net/tls_stream.h"

namespace keelson::cli {

// With pauses of 0.1, 0.2, 0.4 ... 6.4 seconds at most, about 10 s in all: longer than a server takes to start again.
inline constexpr unsigned kBlobAttemptsMax = 8;
inline constexpr int64_t kBlobPauseFirstMs = 100;
inline constexpr int64_t kBlobPauseMaxMs = 10'000;
// Assembling a large upload, or copying on the server, takes long without a byte.
inline constexpr uint32_t kBlobSilenceMs = 120'000;
inline constexpr uint32_t kBlobConnectMs = 30'000;
// Bodies from this size on are announced with "Expect: 100-continue" (RFC 9110 §10.1.1): a refused upload costs a head
// and a round trip. The round trip is little beside so many bytes.
inline constexpr uint64_t kBlobAskFirstBytes = uint64_t{1} << 20;
inline constexpr uint32_t kBlobAskFirstMs = 2'000;
// A page of a listing: 1,000 entries of a key of 1,024 bytes, each of them three in URL encoding, and 1 KiB beside.
inline constexpr size_t kBlobAnswerBytesMax = size_t{5} << 20;
inline constexpr size_t kBlobErrorBytesMax = size_t{64} << 10;

struct BlobTarget {
  Endpoint endpoint{.tls = false, .host = "127.0.0.1", .port = 9000};
  std::string region = "us-east-1";
  BlobKeys keys = {};
  net::TlsClientOptions tls = {};
  unsigned parallel = 8;
};

struct BlobAnswer {
  uint16_t status = 0;
  net::http::FieldList fields = {};
  std::string content = {};

  // Empty if it is not there.
  [[nodiscard]] std::string_view field(std::string_view name) const { return fields.find(name).value_or(""); }
};

// Turns for a bounded number of coroutines on one reactor, in the order in which they came.
class Turns {
 public:
  Turns(env::Reactor& reactor, unsigned count) : reactor_(reactor), free_(count) {}
  [[nodiscard]] Task<void> take();
  void give_back();

 private:
  env::Reactor& reactor_;
  unsigned free_;
  std::deque<std::move_only_function<void(bool)>> waiting_;
};

// Belongs to reactor 0 of its Env; lives longer than its tasks.
class BlobService {
 public:
  static Result<std::unique_ptr<BlobService>> make(env::Env& env, BlobTarget target);
  ~BlobService();

  // An answer of 2xx; everything else is an error in the server's words. `body` takes the place of request.content.
  [[nodiscard]] Task<Result<BlobAnswer>> call(BlobRequest request, BlobBody* body = nullptr,
                                              TransferMeter* meter = nullptr);
  // The same, with the answer's content into `sink`.
  [[nodiscard]] Task<Result<BlobAnswer>> fetch(BlobRequest request, BlobSink& sink, TransferMeter* meter = nullptr);

  [[nodiscard]] const BlobTarget& target() const { return target_; }
  // Requests that were sent again.
  [[nodiscard]] uint64_t retry_count() const { return retries_; }

 private:
  struct Attempt;
  BlobService(env::Env& env, BlobTarget target, std::unique_ptr<net::TlsContext> tls);
  Task<Result<BlobAnswer>> persist(BlobRequest request, BlobBody* body, BlobSink* sink, TransferMeter* meter);
  Task<Result<BlobAnswer>> attempt(Attempt& attempt);
  Task<Result<BlobAnswer>> exchange(Attempt& attempt, net::http::Client& client);
  Task<Status> send(Attempt& attempt, net::http::Client& client);
  Task<Result<BlobAnswer>> receive(Attempt& attempt, net::http::Client& client);
  Task<Result<net::http::ClientPool::Lease>> open(Attempt& attempt);
  Task<void> pause(unsigned failures);

  env::Reactor& reactor_;
  const BlobTarget target_;
  const std::unique_ptr<net::TlsContext> tls_;  // null: plain
  Turns turns_;
  net::http::ClientPool pool_;
  bool was_connected_ = false;
  bool asks_first_ = true;  // before it sends a large body, unless the server does not know how that goes
  uint64_t retries_ = 0;
};

}  // namespace keelson::cli
