// The methods of gRPC services over net/http's server: finds a request's method, runs it, and says how it ended.
//
// A request of gRPC is one of HTTP/2 with POST and a content-type that begins with "application/grpc"
// (PROTOCOL-HTTP2.md, "Requests"); other requests are not for here. Messages are not compressed: a call that says that
// its messages are is answered UNIMPLEMENTED, with what is taken in grpc-accept-encoding ("compression.md" of grpc).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "net/grpc/call.h"
#include "net/http/exchange.h"

namespace keelson::net::grpc {

// Runs on the connection's reactor, for each call. Must not be a capturing coroutine lambda. `index` is the method's
// place in the table.
using MethodHandler = std::function<Task<CallStatus>(Call& call, size_t index)>;

class Methods {
 public:
  explicit Methods(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // "/package.Service/Method"; each once. `path` outlives this.
  void add(std::string_view path, MethodHandler handler);

  [[nodiscard]] static bool is_grpc(const http::Request& request);
  // Answers a request of gRPC.
  [[nodiscard]] Task<void> handle(http::Exchange& exchange) const;

 private:
  struct Method {
    std::string_view path;
    MethodHandler handler;
  };
  [[nodiscard]] const Method* find(std::string_view path) const;
  [[nodiscard]] CallStatus no_such_method(std::string_view path) const;

  const size_t message_bytes_max_;
  std::vector<Method> methods_;
  std::vector<size_t> by_path_;  // sorted
};

}  // namespace keelson::net::grpc
