// How a verb reaches a server: address, TLS, password.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "net/tls_stream.h"

namespace keelson::cli {

struct Target {
  std::string address;  // "127.0.0.1:6379", "unix:/path"
  std::string password;
  bool tls = false;
  std::string ca_file;  // empty: the machine's own store
  std::string certificate_file;
  std::string key_file;
  std::string server_name;  // that the certificate must carry; empty: the address
  bool insecure = false;    // do not check the certificate
};

// A stream, and what must live as long as it.
struct OpenTarget {
  std::unique_ptr<net::TlsContext> tls;
  std::unique_ptr<env::Stream> stream;
};
// The sentence of an error says what to do.
Task<Result<OpenTarget>> open_target(env::Env& env, Target target);
// What went wrong with a connection that has just failed: TLS's reason, if it has one, behind `sentence`.
std::string with_tls_reason(const OpenTarget& target, std::string sentence);

}  // namespace keelson::cli
