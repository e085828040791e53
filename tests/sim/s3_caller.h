// Sends S3 requests to the simulated server, signed, over the simulated network, and tells what became of each:
// answered, surely not done, or in doubt.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "cli/blob_request.h"
#include "env/env.h"
#include "net/http/client.h"
#include "protocol/s3/xml.h"

namespace keelson::sim_test {

using cli::BlobRequest;

inline constexpr std::string_view kRootId = "AKIDSIMULATED";
inline constexpr std::string_view kRootSecret = "a secret for simulations alone";

struct S3Reply {
  enum class Kind : uint8_t {
    kAnswered,
    kNotSent,  // no connection: it was not done
    kDoubt,    // the connection broke: it may have been done
  };
  Kind kind = Kind::kDoubt;
  uint16_t status = 0;
  net::http::FieldList fields = {};
  std::string body = {};

  [[nodiscard]] bool is(uint16_t code) const { return kind == Kind::kAnswered && status == code; }
  [[nodiscard]] bool is_answered() const { return kind == Kind::kAnswered; }
  // Refused for lack of room, or because the log has failed.
  [[nodiscard]] bool is_server_error() const { return is_answered() && status >= 500; }
  [[nodiscard]] bool is_good() const { return is_answered() && status >= 200 && status < 300; }
  [[nodiscard]] std::string field(std::string_view name) const { return std::string(fields.find(name).value_or("")); }
  // The document's root; an element without a name if there is none.
  [[nodiscard]] s3::XmlElement xml() const { return s3::parse_xml(body).value_or(s3::XmlElement{}); }
  // For sentences: the status and the error's code.
  [[nodiscard]] std::string text() const;
};

// One connection, made anew when it broke. Own reactor only; one call at a time.
class S3Caller {
 public:
  S3Caller(env::Env& env, env::Reactor& here, env::Address server)
      : env_(env), here_(here), server_(std::move(server)) {}

  // `request.content` is the body of everything but GET, HEAD and DELETE.
  Task<S3Reply> call(BlobRequest request);
  // Sends the head and so much of the body, then goes away: what was asked for must not be done.
  Task<void> call_cut_short(BlobRequest request, size_t body_bytes);

  [[nodiscard]] env::Reactor& reactor() { return here_; }
  [[nodiscard]] int64_t wall_ms() const { return env_.clock().wall_ms(); }
  [[nodiscard]] int64_t now_ns() const { return env_.clock().monotonic_ns(); }
  [[nodiscard]] uint64_t doubts() const { return doubts_; }

 private:
  Task<bool> connect();
  net::http::Client::Request make(const BlobRequest& request) const;
  S3Reply doubt();

  env::Env& env_;
  env::Reactor& here_;
  const env::Address server_;
  std::unique_ptr<net::http::Client> client_;
  uint64_t doubts_ = 0;
};

}  // namespace keelson::sim_test
