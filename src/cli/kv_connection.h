// A client's connection to a kv server: commands out, replies in, one after another.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "cli/target.h"
#include "env/env.h"
#include "protocol/resp/reply_parser.h"

namespace keelson::cli {

struct Login {
  std::string user;
  int64_t database = 0;
  bool resp3 = true;
};

// Belongs to its reactor.
class KvConnection {
 public:
  // Connects, says who we are and selects the database.
  static Task<Result<std::unique_ptr<KvConnection>>> open(env::Env& env, Target target, Login login);

  // Pushes that come before the reply go to `on_push`.
  Task<Result<resp::Reply>> call(std::vector<std::string> words);
  Task<Status> send(std::vector<std::string> words);
  Task<Result<resp::Reply>> receive();
  void set_on_push(std::function<void(const resp::Reply&)> on_push) { on_push_ = std::move(on_push); }
  // From any callback of its reactor: what waits ends with an error.
  void close();
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  KvConnection() = default;
  Task<Status> log_in(const Target& target, const Login& login);

  std::string address_;
  OpenTarget target_;
  Buffer in_;
  resp::ReplyParser parser_;
  std::function<void(const resp::Reply&)> on_push_;
};

}  // namespace keelson::cli
