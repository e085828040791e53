// Who clients are, what they may do, and how much of it: credentials, access lists and quotas of the Kafka service.
//
// They are kept as documents of the topic engine ("kafka/..."), so that they survive as topics do; each reactor has the
// present state of all of them in memory, as a value that never changes, and asks only that. A change goes to reactor
// 0, which makes one at a time: writes the documents, then gives every reactor the new state, then answers. So whoever
// has been answered finds his change in force on every connection.
//
// In a cluster they all are on the first topic shard, of which every node has a replica: each node reads its own as
// soon as it has changed, whoever has changed it, so a change that one node has answered is in force on the others
// moments later. A node that comes up asks for the newest state once before it serves anybody (is_known()); cut off
// from the others, it goes on with the state that it knew last. Nodes count quotas each for itself.
//
// Users come from two places: those of the settings (a file of the operator's, which no client can change, and which
// win), and those that AlterUserScramCredentials has made.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/reactor.h"
#include "protocol/kafka/access.h"
#include "protocol/kafka/acl.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/quota_table.h"
#include "protocol/kafka/scram.h"
#include "topics/topics.h"

namespace keelson::kafka {

inline constexpr std::string_view kPlain = "PLAIN";
// From a login's message until it is answered that it failed (Kafka's connection.failed.authentication.delay.ms).
inline constexpr int64_t kFailedLoginMs = 100;
inline constexpr size_t kScramUsersMax = 100'000;

struct SecurityOptions {
  // "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512". Empty: nobody logs in.
  std::vector<std::string> mechanisms;
  std::map<std::string, std::string> passwords;  // of users, in clear
  bool has_acls = false;                         // else everybody may do everything
  std::set<std::string> super_users;             // "User:admin"
  bool allow_if_no_acl = false;                  // allow.everyone.if.no.acl.found
  int64_t reauthenticate_ms = 0;                 // connections.max.reauth.ms; 0: never
};

// "mechanism" to what is kept, of one user.
using UserCredentials = std::map<ScramMechanism, ScramCredential>;

struct SecurityState {
  std::map<std::string, UserCredentials, std::less<>> users;  // that clients have made
  AclSet acls;
  QuotaTable quotas;
};

// Changes of one request: all of them are tried, in their order.
struct SecurityChange {
  enum class Kind : uint8_t { kAcl, kCredential, kQuota };
  Kind kind = Kind::kAcl;
  bool is_removal = false;
  AclBinding acl{};
  std::string user{};
  ScramCredential credential{};  // of a removal: its mechanism
  QuotaEntity entity{};
  QuotaValues values{};  // those that are set; others stay as they are
  std::array<bool, kQuotaKinds> dropped{};
};

class Security final : public Access, public Quotas {
 public:
  // `topics` outlives it. Takes some milliseconds for each password.
  Security(topics::Topics& topics, SecurityOptions options);
  ~Security() override;
  Security(const Security&) = delete;
  Security& operator=(const Security&) = delete;

  // Reactor 0, once Topics has started: reads the documents. An error names the one that is malformed. In a cluster
  // they are read in the background.
  Task<Status> start();
  // The documents have been read, or nothing that is decided hangs on them. Until then only super users may do
  // anything. Any thread.
  [[nodiscard]] bool is_known() const;
  // Reactor 0, before Topics::stop(): changes that have not begun are refused.
  Task<void> stop();

  [[nodiscard]] const SecurityOptions& options() const { return options_; }
  [[nodiscard]] bool has_mechanism(std::string_view name) const;
  // Of that reactor; holds until it next suspends.
  [[nodiscard]] const SecurityState& state(env::Reactor& here) const;

  // One error for each change, kNone if it is kept and in force.
  [[nodiscard]] Task<std::vector<ErrorCode>> change(env::Reactor& here, std::vector<SecurityChange> changes);

  // What a user's proof is compared with; one that nothing fits if there is no such user.
  [[nodiscard]] ScramCredential credential_of(env::Reactor& here, std::string_view user,
                                              ScramMechanism mechanism) const;
  // Looks on a worker's thread where that takes long.
  [[nodiscard]] Task<bool> is_password(env::Reactor& here, std::string user, std::string password);
  // For an exchange: 24 random bytes, as base64.
  [[nodiscard]] static std::string draw_nonce(env::Reactor& here);

  // Access.
  [[nodiscard]] bool may(const Session& session, AclOperation operation, ResourceType type,
                         std::string_view name) const override;
  // Quotas.
  [[nodiscard]] int32_t charge(Session& session, std::string_view client_id, QuotaKind kind, uint64_t amount) override;
  [[nodiscard]] bool counts_time(const Session& session) const override;

 private:
  struct Inside;
  const SecurityOptions options_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace keelson::kafka
