#include "net/http/errors.h"

#include <string>

namespace keelson::net::http {

namespace {

class HttpCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int code) const override {
    switch (static_cast<HttpErrc>(code)) {
      case HttpErrc::kOk:
        return "ok";
      case HttpErrc::kBroken:
        return "the connection ended before the message did";
      case HttpErrc::kMalformed:
        return "the message is not HTTP";
      case HttpErrc::kTimedOut:
        return "the peer was silent for too long";
      case HttpErrc::kTooLarge:
        return "the message is too large";
      case HttpErrc::kBusy:
        return "no connection came free in time";
    }
    return "unknown";
  }
};

}  // namespace

std::error_code make_error_code(HttpErrc code) {
  static const HttpCategory category;
  return {static_cast<int>(code), category};
}

}  // namespace keelson::net::http
