// What each method of etcd's API does; one member for each row of method_table.def. A handler runs on its call's
// reactor.
#pragma once

#include <string>
#include <string_view>

#include "base/task.h"
#include "protocol/etcd/errors.h"
#include "protocol/etcd/pipe.h"
#include "protocol/etcd/service.h"

namespace keelson::etcd {

class Handlers {
 public:
  explicit Handlers(EtcdService& service) : service_(service) {}

#define ETCD_UNARY(package, service, method, message, path, note) \
  Task<Reply> service##_##method(Pipe& pipe, std::string_view request);
#define ETCD_STREAM(package, service, method, message, path, note) \
  Task<net::grpc::CallStatus> service##_##method(Pipe& pipe);
#define ETCD_REFUSED ETCD_UNARY
#define ETCD_NO(package, service, method, message, path, note)
#include "protocol/etcd/method_table.def"
#undef ETCD_NO
#undef ETCD_REFUSED
#undef ETCD_STREAM
#undef ETCD_UNARY

 private:
  EtcdService& service_;
};

// A request that broke a rule before the engine saw it.
[[nodiscard]] inline Reply refuse(coord::CoordErrc why) {
  return {why == coord::CoordErrc::kInvalid ? status_of(ProtocolErrc::kMalformed) : status_of(why), {}};
}
[[nodiscard]] inline Reply refuse(ProtocolErrc why) { return {status_of(why), {}}; }

}  // namespace keelson::etcd
