// The service in the words of C++: values with revisions, and changes that depend on them. Tests and benchmarks ask so.
//
//   Client client(service, here);
//   auto read = co_await client.get("/x");
//   auto written = co_await client.put_if("/x", "2", read->has_value() ? (*read)->mod_revision : 0);
//
// It calls as the house itself, so no permissions are looked at. Linearizable throughout. Belongs to one reactor; cheap
// to make. What is awaited may be destroyed there.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "coord/errors.h"
#include "coord/request.h"
#include "coord/service.h"
#include "engine/coord/commands.h"
#include "env/reactor.h"

namespace keelson::coord {

// Either the service could not do it, or the engine would not.
struct ClientError {
  ServiceErrc service = ServiceErrc::kOk;
  CoordErrc engine = CoordErrc::kOk;
  [[nodiscard]] std::string_view text() const;
};
template <class T>
using ClientResult = std::expected<T, ClientError>;

struct Item {
  std::string key;
  std::string value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  int64_t version = 0;
  LeaseId lease = 0;
};

struct Listing {
  Revision revision = 0;  // as of which it is
  std::vector<Item> items;
};

struct Committed {
  bool is_done = false;  // the comparisons held
  Revision revision = 0;
};

class Client {
 public:
  Client(Service& service, env::Reactor& here) : service_(service), here_(here) {}

  [[nodiscard]] Task<ClientResult<std::optional<Item>>> get(std::string key);
  // All keys that begin with it, in order.
  [[nodiscard]] Task<ClientResult<Listing>> list(std::string prefix);
  [[nodiscard]] Task<ClientResult<Revision>> put(std::string key, std::string value);
  // Only if the key's mod_revision is that one; 0: if it is not there.
  [[nodiscard]] Task<ClientResult<Committed>> put_if(std::string key, std::string value, Revision mod_revision);
  [[nodiscard]] Task<ClientResult<Committed>> remove_if(std::string key, Revision mod_revision);
  // How many there were.
  [[nodiscard]] Task<ClientResult<int64_t>> remove(std::string key);
  // Views in `txn` hold until it is done. What its ranges find is not handed back.
  [[nodiscard]] Task<ClientResult<Committed>> commit(Txn txn);

 private:
  Service& service_;
  env::Reactor& here_;
};

// The end of the range that has all keys with that prefix, by etcd's convention.
[[nodiscard]] std::string end_of_prefix(std::string_view prefix);

}  // namespace keelson::coord
