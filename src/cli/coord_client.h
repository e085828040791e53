// A client of the coordination service, over the JSON gateway of etcd's API (HTTP/1.1), as `keelson elect` and
// `keelson config` need it. It speaks to etcd as well.
//
// Several servers may be named; a call goes to the one that answered last, and to the next when that one cannot be
// reached or has no leader. So a call may be carried out twice: callers make calls for which that is harmless. Numbers
// of 64 bits are texts in the gateway's JSON, bytes are base64, and what is zero or empty is left out; the functions
// below hide it.
//
// Belongs to one reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/target.h"
#include "env/env.h"
#include "net/http/client_pool.h"
#include "net/tls_stream.h"

namespace keelson::cli {

using Json = nlohmann::ordered_json;

enum class CoordErrc : uint8_t {
  kOk = 0,
  kUnreachable,  // none of the servers answered
  kRefused,      // the server's own error; the sentence is its
  kMalformed,    // an answer that makes no sense
  kBadEndpoint,  // none is named, or one cannot be understood
};
std::error_code make_error_code(CoordErrc code);

inline constexpr uint32_t kCoordTimeoutMs = 5'000;

struct CoordTarget {
  std::vector<std::string> endpoints;  // "127.0.0.1:2379"
  std::string user;                    // empty: nobody in particular
  std::string password;
  Target tls = {};                        // its TLS part
  uint32_t timeout_ms = kCoordTimeoutMs;  // of one try at one server, for connecting and for each silence
};

class CoordClient {
 public:
  static Result<std::unique_ptr<CoordClient>> make(env::Env& env, CoordTarget target);
  // For make() alone.
  CoordClient(env::Env& env, CoordTarget target);

  // One call: "/v3/kv/range". A user signs in before the first one.
  Task<Result<Json>> call(std::string path, Json body);

  // The answers of a call that go on. Owns its connection.
  class Answers {
   public:
    Answers(net::http::ClientPool::Lease lease) : lease_(std::move(lease)) {}
    // The next one; kUnreachable when the server ends them, the connection breaks or is silent for kSilenceMs.
    Task<Result<Json>> next();

   private:
    net::http::ClientPool::Lease lease_;
    std::string unread_;
  };
  static constexpr uint32_t kSilenceMs = 10'000;
  // At the present endpoint alone; the next try goes to the next one. Signs in as call() does.
  Task<Result<std::unique_ptr<Answers>>> begin(std::string path, Json body);

 private:
  struct Endpoint {
    std::string address;
    std::unique_ptr<net::http::ClientPool> calls;
    std::unique_ptr<net::http::ClientPool> streams;
  };

  Status open();
  net::http::Client::Request make_request(const Endpoint& endpoint, const std::string& path, const Json& body) const;
  // Once, at the present endpoint.
  Task<Result<Json>> try_call(std::string path, Json body);
  Task<Status> sign_in();
  void next_endpoint() { at_ = (at_ + 1) % endpoints_.size(); }

  env::Env& env_;
  CoordTarget target_;
  std::unique_ptr<net::TlsContext> tls_;
  std::vector<Endpoint> endpoints_;
  size_t at_ = 0;
  std::string token_;
};

// What answers are made of. A server may send anything: what is not of the kind that is asked for is not there.
int64_t number_in(const Json& json, const char* member);  // 0 if there is none
bool flag_in(const Json& json, const char* member);
std::string text_in(const Json& json, const char* member);
std::string bytes_in(const Json& json, const char* member);
// What stands under the name, null if there is nothing.
const Json& member_in(const Json& json, const char* member);
// The array of the name, empty if there is none.
const Json& list_in(const Json& json, const char* member);
// For requests: base64.
std::string as_bytes(std::string_view bytes);
// The end of the range of everything that begins with `prefix`.
std::string end_of_prefix(std::string prefix);

}  // namespace keelson::cli

template <>
struct std::is_error_code_enum<keelson::cli::CoordErrc> : std::true_type {};
