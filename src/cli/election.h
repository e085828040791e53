// One candidate of an election, with the layout of etcd's package concurrency (and so of `etcdctl elect` and of the
// Election service): a candidate holds a lease and puts the key NAME/<lease in hex> with it; the one whose key has the
// least create revision is the leader. That revision is the fencing token: it grows from leader to leader.
//
//   granted = co_await candidate.enter();          // a lease, kept from then on, and the key
//   elected = co_await candidate.wait();           // until this one leads
//   ... while (!candidate.is_lost()) ...
//   co_await candidate.leave();                    // the lease is revoked: the next one leads at once
//
// is_lost() turns true when the lease has run out or was revoked, or when the key is gone or another's. Belongs to one
// reactor; outlives its tasks (join them by leave()).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "cli/coord_client.h"
#include "cli/lease_time.h"
#include "env/reactor.h"

namespace keelson::cli {

struct ElectionOptions {
  std::string name;
  std::string value;         // what the key holds: who leads
  int64_t ttl_s = 10;        // of the lease
  int64_t grace_ms = 3'000;  // see LeaseTime
};

class Candidate {
 public:
  Candidate(env::Reactor& reactor, CoordClient& client, ElectionOptions options);
  ~Candidate();

  Task<Status> enter();
  // An error if it is lost meanwhile.
  Task<Status> wait();
  // Ends keeping the lease and revokes it. What cannot be revoked runs out by itself.
  Task<void> leave();

  [[nodiscard]] bool is_lost() const { return is_lost_; }
  [[nodiscard]] const std::string& why_lost() const { return why_lost_; }
  [[nodiscard]] const LeaseTime& lease_time() const { return time_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] int64_t token() const { return token_; }

 private:
  Task<void> keep();
  Task<void> keep_once();
  // Is our key there, with our token?
  Task<Result<bool>> owns_key();
  // The key before ours; empty if there is none.
  Task<Result<std::string>> before();
  // Until the key is deleted, or something is worth looking at again.
  Task<void> await_end_of(std::string key);
  void lose(std::string why);

  env::Reactor& reactor_;
  CoordClient& client_;
  const ElectionOptions options_;
  LeaseTime time_;
  int64_t lease_ = 0;
  std::string key_;
  int64_t token_ = 0;
  int64_t seen_revision_ = 0;
  bool is_leaving_ = false;
  bool is_lost_ = false;
  std::string why_lost_;
  env::TaskScope tasks_;  // last: they use the rest
};

}  // namespace keelson::cli
