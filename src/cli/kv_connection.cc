#include "cli/kv_connection.h"

#include <utility>

namespace keelson::cli {

namespace {

constexpr size_t kReadBytes = 16 << 10;

std::unexpected<Error> refused(const resp::Reply& reply) {
  std::string why = reply.text;
  if (why.starts_with("NOAUTH") || why.starts_with("WRONGPASS")) {
    while (why.ends_with('.')) why.pop_back();
    why += ". Give the password with --password-file or KEELSON_PASSWORD";
  }
  return fail(env::NetErrc::kRefused, "the server says: " + why);
}

}  // namespace

Task<Result<std::unique_ptr<KvConnection>>> KvConnection::open(env::Env& env, Target target, Login login) {
  Result<OpenTarget> open = co_await open_target(env, target);
  if (!open.ok()) co_return forward_error(open);
  // tidy: naked new, because the constructor is private.
  std::unique_ptr<KvConnection> connection(new KvConnection());
  connection->address_ = target.address;
  connection->target_ = std::move(*open);
  if (Status done = co_await connection->log_in(target, login); !done.ok()) co_return forward_error(done);
  co_return connection;
}

Task<Status> KvConnection::log_in(const Target& target, const Login& login) {
  const std::string user = login.user.empty() ? "default" : login.user;
  bool is_authenticated = target.password.empty();
  if (login.resp3) {
    std::vector<std::string> hello = {"HELLO", "3"};
    if (!target.password.empty()) hello.insert(hello.end(), {"AUTH", user, target.password});
    Result<resp::Reply> reply = co_await call(std::move(hello));
    if (!reply.ok()) co_return forward_error(reply);
    // A server of before Redis 6 does not know HELLO. NOAUTH: the prompt lets people type AUTH.
    const bool is_unknown = reply->is_error() && reply->text.starts_with("ERR unknown command");
    if (reply->is_error() && !is_unknown && !reply->text.starts_with("NOAUTH")) co_return refused(*reply);
    if (!reply->is_error()) is_authenticated = true;
  }
  if (!is_authenticated) {
    std::vector<std::string> auth = {"AUTH"};
    if (!login.user.empty()) auth.push_back(login.user);
    auth.push_back(target.password);
    Result<resp::Reply> reply = co_await call(std::move(auth));
    if (!reply.ok()) co_return forward_error(reply);
    if (reply->is_error()) co_return refused(*reply);
  }
  if (login.database != 0) {
    // Named, because g++ 12 cannot keep a braced list over a co_await.
    std::vector<std::string> select = {"SELECT", std::to_string(login.database)};
    Result<resp::Reply> reply = co_await call(std::move(select));
    if (!reply.ok()) co_return forward_error(reply);
    if (reply->is_error()) co_return refused(*reply);
  }
  co_return Status();
}

Task<Status> KvConnection::send(std::vector<std::string> words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  }
  const env::IoOutcome sent = co_await target_.stream->write(bytes);
  if (!sent.ok()) {
    co_return fail(sent.error, with_tls_reason(target_, "the connection to " + address_ + " broke"));
  }
  co_return Status();
}

Task<Result<resp::Reply>> KvConnection::receive() {
  while (true) {
    in_.consume(parser_.feed(in_.view()));
    if (!parser_.error().empty()) {
      co_return fail(env::NetErrc::kInvalid, address_ + " does not speak RESP: " + parser_.error());
    }
    if (parser_.has_reply()) {
      resp::Reply reply = parser_.take();
      if (reply.type != resp::ReplyType::kPush || !on_push_) co_return reply;
      on_push_(reply);
      continue;
    }
    char* to = in_.reserve(kReadBytes);
    const env::IoOutcome got = co_await target_.stream->read(std::span<char>(to, kReadBytes));
    if (!got.ok()) {
      const std::string what =
          got.error == env::NetErrc::kEof ? " closed the connection" : " cannot be reached any more";
      co_return fail(got.error, with_tls_reason(target_, address_ + what));
    }
    in_.commit(got.count);
  }
}

Task<Result<resp::Reply>> KvConnection::call(std::vector<std::string> words) {
  if (Status sent = co_await send(std::move(words)); !sent.ok()) co_return forward_error(sent);
  co_return co_await receive();
}

void KvConnection::close() { target_.stream->close(); }

}  // namespace keelson::cli
