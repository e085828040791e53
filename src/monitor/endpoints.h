// The HTTP endpoints of one node: a table of paths, who may ask for them, and who answers.
//
//   /healthz   200 while the process runs its reactors                    open
//   /readyz    200 when it serves, 503 with the reason otherwise          open
//   /metrics   OpenMetrics                                                with the password, if there is one
// and whatever the server adds (/admin/...). The password comes by HTTP Basic (RFC 7617), any user name, and is
// compared in constant time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "net/http/server.h"

namespace keelson::monitor {

enum class Access : uint8_t { kOpen, kPassword };

struct Endpoint {
  std::string method;  // GET answers HEAD as well
  std::string path;
  Access access = Access::kPassword;
  net::http::Handler handler;
  std::string summary;  // for the list at /
};

// Used on its server's reactor. Must outlive the server.
class Endpoints {
 public:
  void add(Endpoint endpoint) { endpoints_.push_back(std::move(endpoint)); }
  // Empty: none is asked for. May change at any time.
  void set_password(std::string password) { password_ = std::move(password); }
  // For net::http::Server.
  Task<void> handle(net::http::Exchange& exchange);

 private:
  [[nodiscard]] bool is_allowed(const net::http::Exchange& exchange) const;
  [[nodiscard]] std::string index() const;

  std::vector<Endpoint> endpoints_;
  std::string password_;
};

// Takes as long for a wrong guess as for a right one; only the length of `given` shows.
[[nodiscard]] bool equal_secrets(std::string_view given, std::string_view secret);
// The password of an Authorization field "Basic ..."; false if there is none.
[[nodiscard]] bool basic_password(const net::http::Fields& fields, std::string& password);

}  // namespace keelson::monitor
