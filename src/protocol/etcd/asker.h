// One call's way to the engine: who asks, the command, and its answer.
//
// Who asks is in the call's token. The engine compares the auth revision at which the token was looked at with its own:
// when users or roles have changed meanwhile, the token is looked at again, and the command is repeated.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "coord/service.h"
#include "protocol/etcd/errors.h"
#include "protocol/etcd/pipe.h"
#include "protocol/etcd/service.h"

namespace keelson::etcd {

enum class Ask : uint8_t { kWrite, kLinearizable, kSerializable };

template <class Sink>
struct Asked {
  net::grpc::CallStatus status;
  std::unique_ptr<Sink> sink;  // null if the engine was not asked; else there, whatever the status is
  [[nodiscard]] bool ok() const { return status.ok(); }
};

class Asker {
 public:
  Asker(EtcdService& service, Pipe& pipe) : service_(service), reactor_(pipe.reactor()) {
    auto token = pipe.metadata("token");
    if (!token) token = pipe.metadata("authorization");
    token_ = token.value_or("");
  }

  [[nodiscard]] HeaderFacts facts() const { return service_.members().facts(); }
  [[nodiscard]] env::Reactor& reactor() { return reactor_; }

  // `body` and what it refers to live until this has ended; its caller is set here.
  template <class Sink, class Body>
  [[nodiscard]] Task<Asked<Sink>> ask(Body& body, Ask how) {
    constexpr int kAttemptsMax = 4;  // users and roles do not change faster than tokens are looked at
    for (int attempt = 1;; ++attempt) {
      if constexpr (requires { body.caller; }) {
        if (!token_.empty()) {
          net::grpc::CallStatus known = co_await identify(body.caller);
          if (!known.ok()) co_return Asked<Sink>{std::move(known), nullptr};
        }
      }
      auto sink = std::make_unique<Sink>(facts());
      coord::Request<Sink> request =
          how == Ask::kWrite ? service_.coord().write(reactor_, body, std::move(sink))
                             : service_.coord().query(reactor_, body, std::move(sink),
                                                      how == Ask::kLinearizable ? coord::Consistency::kLinearizable
                                                                                : coord::Consistency::kSerializable);
      coord::Answered<Sink> answered = co_await request;
      if (answered.outcome != coord::ServiceErrc::kOk) co_return Asked<Sink>{status_of(answered.outcome), nullptr};
      const coord::CoordErrc code = answered.sink->failure().code;
      if (code == coord::CoordErrc::kAuthOldRevision && !token_.empty() && attempt < kAttemptsMax) {
        service_.local(reactor_).tokens.forget(token_);
        continue;
      }
      co_return Asked<Sink>{status_of(code), std::move(answered.sink)};
    }
  }
  // For what the engine is not asked to do: has the caller the role "root", if auth is on?
  [[nodiscard]] Task<net::grpc::CallStatus> check_root();
  // May it read that range? With the store's revision.
  struct MayRead {
    net::grpc::CallStatus status;
    coord::Revision revision = 0;
  };
  [[nodiscard]] Task<MayRead> check_read(std::string_view key, std::string_view range_end);

 private:
  [[nodiscard]] Task<net::grpc::CallStatus> identify(coord::Caller& into);
  [[nodiscard]] Task<bool> is_fresh(int64_t issued_ms, int64_t now_ms);

  EtcdService& service_;
  env::Reactor& reactor_;
  std::string token_;
  std::string user_;
};

}  // namespace keelson::etcd
