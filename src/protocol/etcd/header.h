// What every answer of etcd's API begins with: who answers, and the store's revision (etcdserverpb.ResponseHeader).
#pragma once

#include <cstdint>
#include <string>

#include "engine/coord/types.h"
#include "protocol/etcd/wire.h"

namespace keelson::etcd {

struct HeaderFacts {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  uint64_t raft_term = 0;
};

// As field 1 of the message that is being written.
inline void write_header(WireWriter& out, const HeaderFacts& facts, coord::Revision revision) {
  const size_t mark = out.begin(1);
  out.number(1, facts.cluster_id);
  out.number(2, facts.member_id);
  out.number(3, revision);
  out.number(4, facts.raft_term);
  out.end(mark);
}

}  // namespace keelson::etcd
