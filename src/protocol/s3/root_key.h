// The root key of a node that was not given one: made at the first start, kept in the data folder, shown once.
#pragma once

#include <string>

#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "env/random.h"
#include "env/reactor.h"

namespace keelson::s3 {

struct RootKey {
  std::string id;
  std::string secret;
  bool is_new = false;  // made just now: show it to whoever started the program
};

// 20 upper-case letters and digits; 40 letters, digits, '+' and '/', of which each is drawn evenly.
[[nodiscard]] std::string make_access_key_id(env::Random& random);
[[nodiscard]] std::string make_secret(env::Random& random);

// From <folder>/s3-root-key ("<id> <secret>" on a line), which is written, durably, if it is not there.
[[nodiscard]] Task<Result<RootKey>> load_or_make_root_key(env::Disk& disk, env::Reactor& on, std::string folder);

}  // namespace keelson::s3
