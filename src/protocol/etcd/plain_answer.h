// What the engine answers to everything but ranges, puts, deletions and transactions: either the bytes of etcd's
// message, written on the shard's reactor, or the facts that the protocol goes on with.
#pragma once

#include <cstdint>
#include <string>

#include "engine/coord/answer.h"
#include "protocol/etcd/header.h"

namespace keelson::etcd {

// Users, roles, alarms, leases: answers that are a header and perhaps a list.
class PlainAnswer : public coord::AnswerSink {
 public:
  explicit PlainAnswer(const HeaderFacts& facts) : facts_(facts) {}

  [[nodiscard]] const coord::Failure& failure() const { return failure_; }
  [[nodiscard]] std::string& message() { return message_; }
  [[nodiscard]] coord::Revision revision() const { return revision_; }
  // Each holds what the call of its name said; not what others said.
  [[nodiscard]] const coord::StoreStatusAnswer& store_status() const { return store_status_; }
  [[nodiscard]] const coord::HashAnswer& hash() const { return hash_; }  // next_key is in next_key()
  [[nodiscard]] const std::string& next_key() const { return next_key_; }

  void failed(const coord::Failure& failure) override { failure_ = failure; }
  void done(coord::Revision revision) override { end(revision); }
  void lease_granted(coord::Revision revision, const coord::LeaseInfo& lease) override;
  void lease_key(std::string_view key) override;
  void lease(coord::Revision revision, const coord::LeaseInfo& lease) override;
  void hash(const coord::HashAnswer& answer) override;
  void store_status(const coord::StoreStatusAnswer& answer) override;
  void auth_status(const coord::AuthStatusAnswer& answer) override;
  void user(coord::Revision revision, std::span<const std::string_view> roles) override;
  void name(std::string_view name) override;
  void permission(const coord::Permission& permission) override;
  void alarm(const coord::Alarm& alarm) override;

  // LeaseLeases: the engine lists; a lease is one of many then, and `done` ends them.
  bool lists_leases = false;

 private:
  void end(coord::Revision revision);

  const HeaderFacts facts_;
  coord::Failure failure_;
  std::string message_;
  WireWriter out_{message_};
  coord::Revision revision_ = 0;
  coord::StoreStatusAnswer store_status_;
  coord::HashAnswer hash_;
  std::string next_key_;
};

// The secret of a user, to compare a password or a token with.
class SecretFacts final : public coord::AnswerSink {
 public:
  void failed(const coord::Failure& failure) override { failure_ = failure; }
  void secret(const coord::SecretAnswer& answer) override {
    answer_ = answer;
    hash_ = answer.password_hash;
    answer_.password_hash = {};
  }
  [[nodiscard]] const coord::Failure& failure() const { return failure_; }
  [[nodiscard]] const coord::SecretAnswer& answer() const { return answer_; }  // without the hash
  [[nodiscard]] const std::string& password_hash() const { return hash_; }

 private:
  coord::Failure failure_;
  coord::SecretAnswer answer_;
  std::string hash_;
};

}  // namespace keelson::etcd
