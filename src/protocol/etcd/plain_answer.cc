#include "protocol/etcd/plain_answer.h"

namespace keelson::etcd {

namespace {

// The list of every answer that has one: users, roles, perm, alarms, leases.
constexpr uint32_t kList = 2;
constexpr uint32_t kLeaseKeys = 5;

}  // namespace

void PlainAnswer::end(coord::Revision revision) {
  revision_ = revision;
  write_header(out_, facts_, revision);
}

void PlainAnswer::lease_granted(coord::Revision revision, const coord::LeaseInfo& lease) {
  out_.number(2, lease.id);
  out_.number(3, lease.granted_ttl_s);
  end(revision);
}

void PlainAnswer::lease_key(std::string_view key) { out_.element(kLeaseKeys, key); }

void PlainAnswer::lease(coord::Revision revision, const coord::LeaseInfo& lease) {
  if (lists_leases) {
    const size_t mark = out_.begin(kList);
    out_.number(1, lease.id);
    out_.end(mark);
    return;
  }
  end(revision);
}

void PlainAnswer::hash(const coord::HashAnswer& answer) {
  hash_ = answer;
  next_key_ = answer.next_key;
  hash_.next_key = {};
}

void PlainAnswer::store_status(const coord::StoreStatusAnswer& answer) { store_status_ = answer; }

void PlainAnswer::auth_status(const coord::AuthStatusAnswer& answer) {
  out_.boolean(2, answer.is_enabled);
  out_.number(3, answer.auth_revision);
  end(answer.revision);
}

void PlainAnswer::user(coord::Revision revision, std::span<const std::string_view> roles) {
  for (const std::string_view role : roles) out_.element(kList, role);
  end(revision);
}

void PlainAnswer::name(std::string_view name) { out_.element(kList, name); }

void PlainAnswer::permission(const coord::Permission& permission) {
  const size_t mark = out_.begin(kList);
  out_.number(1, static_cast<uint32_t>(permission.access));
  out_.bytes(2, permission.key);
  out_.bytes(3, permission.range_end);
  out_.end(mark);
}

void PlainAnswer::alarm(const coord::Alarm& alarm) {
  const size_t mark = out_.begin(kList);
  out_.number(1, alarm.member);
  out_.number(2, static_cast<uint32_t>(alarm.type));
  out_.end(mark);
}

}  // namespace keelson::etcd
