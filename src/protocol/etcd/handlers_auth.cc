// Users, roles, permissions, logins. The engine holds them; passwords are hashed here, beside the reactor.
#include <optional>
#include <string>
#include <utility>

#include "env/hand_off.h"
#include "env/workers.h"
#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/plain_answer.h"
#include "protocol/etcd/requests.h"
#include "protocol/etcd/secrets.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;

// An idle worker is looked for after up to this long: about what a hash takes. By chance, so that those that came
// together do not look together.
constexpr uint64_t kWorkerLookNs = 60'000'000;

// `work` refers to nothing of its caller's. It waits for a worker, unlike what is short: clients that come back all at
// once log in at once, and their hashes would hold the reactor up for seconds. Nothing: the call has ended meanwhile.
template <class Value>
Task<std::optional<Value>> run_beside(EtcdService& service, Pipe& pipe, std::move_only_function<Value()> work) {
  env::Reactor& here = pipe.reactor();
  env::HandOff<Value> result(here);
  env::Callback job = [work = std::move(work), deliver = result.deliverer()]() mutable { deliver(work()); };
  while (!service.env().workers().try_run(job)) {
    co_await env::sleep_for(here, static_cast<int64_t>(here.random().next() % kWorkerLookNs));
    if (pipe.is_cancelled()) co_return std::nullopt;
  }
  co_return co_await result;
}

Task<std::optional<std::string>> hash_beside(EtcdService& service, Pipe& pipe, std::string_view password) {
  return run_beside<std::string>(service, pipe,
                                 [password = std::string(password), salt = make_salt(pipe.reactor().random())] {
                                   return hash_password(password, salt);
                                 });
}

template <class Body>
Task<Reply> change(EtcdService& service, Pipe& pipe, Body body) {
  Asker asker(service, pipe);
  auto asked = co_await asker.ask<PlainAnswer>(body, Ask::kWrite);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return Reply{{}, std::move(asked.sink->message())};
}

template <class Body>
Task<Reply> look(EtcdService& service, Pipe& pipe, Body body) {
  Asker asker(service, pipe);
  auto asked = co_await asker.ask<PlainAnswer>(body, Ask::kLinearizable);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return Reply{{}, std::move(asked.sink->message())};
}

}  // namespace

Task<Reply> Handlers::Auth_AuthEnable(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::AuthEnable{});
}

Task<Reply> Handlers::Auth_AuthDisable(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::AuthDisable{});
}

Task<Reply> Handlers::Auth_AuthStatus(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await look(service_, pipe, coord::AuthStatus{});
}

Task<Reply> Handlers::Auth_Authenticate(Pipe& pipe, std::string_view request) {
  PasswordAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  env::Reactor& here = pipe.reactor();
  EtcdLocal& local = service_.local(here);
  const coord::UserSecret question{.name = wish.name};
  auto [outcome, secret] = co_await service_.coord().query(here, question, std::make_unique<SecretFacts>());
  if (outcome != coord::ServiceErrc::kOk) co_return Reply{status_of(outcome), {}};
  const CoordErrc code = secret->failure().code;
  if (code != CoordErrc::kOk && code != CoordErrc::kUserNotFound) co_return Reply{status_of(code), {}};
  // The same work for a user that is not there, so that the time does not tell.
  const bool has_password = code == CoordErrc::kOk && !secret->answer().no_password;
  std::string hash = has_password ? secret->password_hash() : hash_of_nobody();
  const std::optional<bool> is_good = co_await run_beside<bool>(
      service_, pipe, [password = std::string(wish.password), hash] { return is_password(password, hash); });
  if (!is_good) co_return Reply{pipe.cancellation(), {}};
  if (!*is_good || !has_password) {
    local.metrics.failed_logins.add();
    co_return refuse(ProtocolErrc::kAuthFailed);
  }
  const int64_t now_ms = here.clock().wall_ms();
  const std::string token = make_token(wish.name, hash, now_ms, here.random());
  local.tokens.put(
      token, {.user = std::string(wish.name), .auth_revision = secret->answer().auth_revision, .used_ms = now_ms});
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, service_.members().facts(), secret->answer().revision);
  out.bytes(2, token);
  co_return reply;
}

Task<Reply> Handlers::Auth_UserAdd(Pipe& pipe, std::string_view request) {
  PasswordAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  std::optional<std::string> hash = "";
  if (!wish.no_password) hash = co_await hash_beside(service_, pipe, wish.password);
  if (!hash) co_return Reply{pipe.cancellation(), {}};
  co_return co_await change(service_, pipe,
                            coord::UserAdd{.name = wish.name, .password_hash = *hash, .no_password = wish.no_password});
}

Task<Reply> Handlers::Auth_UserGet(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await look(service_, pipe, coord::UserGet{.name = wish.first});
}

Task<Reply> Handlers::Auth_UserList(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await look(service_, pipe, coord::UserList{});
}

Task<Reply> Handlers::Auth_UserDelete(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::UserDelete{.name = wish.first});
}

Task<Reply> Handlers::Auth_UserChangePassword(Pipe& pipe, std::string_view request) {
  PasswordAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  const std::optional<std::string> hash = co_await hash_beside(service_, pipe, wish.password);
  if (!hash) co_return Reply{pipe.cancellation(), {}};
  co_return co_await change(service_, pipe, coord::UserChangePassword{.name = wish.name, .password_hash = *hash});
}

Task<Reply> Handlers::Auth_UserGrantRole(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::UserGrantRole{.name = wish.first, .role = wish.second});
}

Task<Reply> Handlers::Auth_UserRevokeRole(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::UserRevokeRole{.name = wish.first, .role = wish.second});
}

Task<Reply> Handlers::Auth_RoleAdd(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::RoleAdd{.name = wish.first});
}

Task<Reply> Handlers::Auth_RoleGet(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await look(service_, pipe, coord::RoleGet{.name = wish.first});
}

Task<Reply> Handlers::Auth_RoleList(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await look(service_, pipe, coord::RoleList{});
}

Task<Reply> Handlers::Auth_RoleDelete(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, coord::RoleDelete{.name = wish.first});
}

Task<Reply> Handlers::Auth_RoleGrantPermission(Pipe& pipe, std::string_view request) {
  coord::RoleGrantPermission grant;
  if (const CoordErrc taken = translate(request, grant); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, grant);
}

Task<Reply> Handlers::Auth_RoleRevokePermission(Pipe& pipe, std::string_view request) {
  coord::RoleRevokePermission revoke;
  if (const CoordErrc taken = translate(request, revoke); taken != CoordErrc::kOk) co_return refuse(taken);
  co_return co_await change(service_, pipe, revoke);
}

}  // namespace keelson::etcd
