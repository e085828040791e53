// LeaseGrant, LeaseRevoke, LeaseReign, LeaseExpire, LeaseTimeToLive, LeaseList.
#include <algorithm>
#include <vector>

#include "base/hash.h"
#include "engine/coord/state.h"

namespace keelson::coord {

namespace {

// A positive id that is free, from the record's chance.
LeaseId draw_id(const Leases& leases, uint64_t seed) {
  for (;; ++seed) {
    const auto id = static_cast<LeaseId>(mix64(seed) & INT64_MAX);
    if (id != 0 && leases.find(id) == nullptr) return id;
  }
}

void drop(const Call& call, LeaseId id) {
  Store& store = call.state.store;
  store.begin();
  store.drop_lease(id);
  call.commit();
  if (call.listener != nullptr) call.listener->lease_gone(id);
}

}  // namespace

CoordErrc check_lease_puts(const State& state, const Caller& caller, LeaseId id) {
  // Whoever holds a lease can delete its keys, so it takes the right to write all of them.
  if (!state.auth.is_enabled() || caller.is_internal || state.auth.check_root(caller) == CoordErrc::kOk) {
    return CoordErrc::kOk;
  }
  const Lease* const lease = state.store.leases().find(id);
  if (lease == nullptr) return CoordErrc::kOk;
  // In the ring's order, which is no part of the state: whichever key is refused, the answer is the same.
  const Version* version = lease->ring;
  for (uint64_t i = 0; i < lease->keys; ++i, version = version->next_of_lease()) {
    const CoordErrc errc = state.auth.check_range(caller, version->key(), {}, Access::kWrite);
    if (errc != CoordErrc::kOk) return errc;
  }
  return CoordErrc::kOk;
}

void run(const Call& call, const LeaseGrant& grant) {
  State& state = call.state;
  Leases& leases = state.store.leases();
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (state.has_alarm(AlarmType::kNoSpace)) return call.fail(CoordErrc::kNoSpace);
  if (grant.ttl_s > kLeaseTtlMaxS) return call.fail(CoordErrc::kLeaseTtlTooLarge);
  if (grant.id != 0 && leases.find(grant.id) != nullptr) return call.fail(CoordErrc::kLeaseExists);
  const LeaseId id = grant.id != 0 ? grant.id : draw_id(leases, call.context.seed);
  const Lease lease{.ttl_s = std::max(grant.ttl_s, kLeaseTtlMinS), .grant = state.next_grant++};
  leases.add(id, lease);
  const LeaseInfo info = Leases::info(id, lease);
  if (call.listener != nullptr) call.listener->lease_granted(info);
  call.sink.lease_granted(state.store.revision(), info);
}

void run(const Call& call, const LeaseRevoke& revoke) {
  State& state = call.state;
  if (state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (!call.pass(check_lease_puts(state, revoke.caller, revoke.id))) return;
  if (state.store.leases().find(revoke.id) == nullptr) return call.fail(CoordErrc::kLeaseNotFound);
  drop(call, revoke.id);
  call.done();
}

void run(const Call& call, const LeaseReign&) {
  ++call.state.lease_reign;
  call.done();
}

void run(const Call& call, const LeaseExpire& expire) {
  if (call.state.has_alarm(AlarmType::kCorrupt)) return call.fail(CoordErrc::kCorrupt);
  if (expire.reign != call.state.lease_reign) return call.fail(CoordErrc::kReignIsOver);
  for (const LeaseExpire::Item& item : expire.items) {
    const Lease* const lease = call.state.store.leases().find(item.id);
    if (lease != nullptr && lease->grant == item.grant) drop(call, item.id);
  }
  call.done();
}

void run(const Call& call, const LeaseTimeToLive& which) {
  const State& state = call.state;
  const Lease* const lease = state.store.leases().find(which.id);
  if (lease == nullptr) return call.fail(CoordErrc::kLeaseNotFound);
  if (which.with_keys) {
    const std::vector<const Version*> keys = Leases::keys_of(*lease);
    for (const Version* version : keys) {
      if (!call.pass(state.auth.check_range(which.caller, version->key(), {}, Access::kRead))) return;
    }
    for (const Version* version : keys) call.sink.lease_key(version->key());
  }
  call.sink.lease(state.store.revision(), Leases::info(which.id, *lease));
}

void run(const Call& call, const LeaseList& which) {
  const Leases::Map& all = call.state.store.leases().all();
  uint32_t count = 0;
  for (auto at = which.has_after ? all.upper_bound(which.after) : all.begin();
       at != all.end() && count < which.count_max; ++at, ++count) {
    call.sink.lease(call.state.store.revision(), Leases::info(at->first, at->second));
  }
  call.done();
}

}  // namespace keelson::coord
