// A minimal HTTP/1.1 client: one request on a connection, the answer streamed. For backup, the command line and tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/message.h"
#include "net/http/parser.h"

namespace keelson::net::http {

enum class HttpErrc : uint8_t {
  kOk = 0,
  kBroken,     // the connection ended before the answer did
  kMalformed,  // the answer is not HTTP
  kTimedOut,
};
std::error_code make_error_code(HttpErrc code);

struct ClientOptions {
  uint32_t silence_timeout_ms = 60'000;  // without a byte from the server
};

// Belongs to its stream's reactor. request(), then read() until it returns nothing.
class Client {
 public:
  Client(std::unique_ptr<env::Stream> stream, ClientOptions options = {});

  struct Request {
    std::string method = "GET";
    std::string target = "/";
    std::string host;
    Fields fields;
    std::string body;
  };
  // Sends the request and reads the answer's head.
  Task<Result<ResponseHead>> request(Request request);
  // The next bytes of the answer's body, valid until the next call; empty at its end.
  Task<Result<std::string_view>> read();
  // The rest of the body, at most this much (an error above).
  Task<Result<std::string>> read_all(size_t bytes_max);

 private:
  Task<Status> fill();

  std::unique_ptr<env::Stream> stream_;
  ClientOptions options_;
  Limits limits_;
  Buffer in_;
  Buffer out_;
  BodyDecoder body_;
  bool has_timed_out_ = false;
  env::Timer silence_;
};

}  // namespace keelson::net::http

template <>
struct std::is_error_code_enum<keelson::net::http::HttpErrc> : std::true_type {};
