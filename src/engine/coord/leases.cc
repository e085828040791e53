#include "engine/coord/leases.h"

#include <algorithm>

namespace keelson::coord {

const Lease* Leases::find(LeaseId id) const {
  const auto at = leases_.find(id);
  return at == leases_.end() ? nullptr : &at->second;
}

Lease* Leases::find_mutable(LeaseId id) {
  const auto at = leases_.find(id);
  return at == leases_.end() ? nullptr : &at->second;
}

void Leases::add(LeaseId id, const Lease& lease) {
  if (observer_ != nullptr) observer_->before_change(id, nullptr);
  leases_.emplace(id, lease);
}

void Leases::remove(LeaseId id) {
  if (observer_ != nullptr) observer_->before_change(id, find(id));
  leases_.erase(id);
}

void Leases::attach(Version& version) {
  Lease* const lease = version.lease() == 0 ? nullptr : find_mutable(version.lease());
  if (lease == nullptr) return;
  Version* const next = lease->ring == nullptr ? &version : lease->ring;
  Version* const previous = lease->ring == nullptr ? &version : lease->ring->previous_of_lease();
  version.set_next_of_lease(next);
  version.set_previous_of_lease(previous);
  previous->set_next_of_lease(&version);
  next->set_previous_of_lease(&version);
  version.set_linked(true);
  lease->ring = &version;
  ++lease->keys;
}

void Leases::detach(Version& version) {
  if (!version.is_linked()) return;
  Lease* const lease = find_mutable(version.lease());
  Version* const next = version.next_of_lease();
  Version* const previous = version.previous_of_lease();
  previous->set_next_of_lease(next);
  next->set_previous_of_lease(previous);
  version.set_linked(false);
  --lease->keys;
  if (lease->ring == &version) lease->ring = next == &version ? nullptr : next;
}

std::vector<const Version*> Leases::keys_of(const Lease& lease) {
  std::vector<const Version*> keys;
  keys.reserve(lease.keys);
  const Version* at = lease.ring;
  for (uint64_t i = 0; i < lease.keys; ++i) {
    keys.push_back(at);
    at = at->next_of_lease();
  }
  std::ranges::sort(keys, {}, [](const Version* version) { return version->key(); });
  return keys;
}

}  // namespace keelson::coord
