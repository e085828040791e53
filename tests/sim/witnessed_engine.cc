#include "tests/sim/witnessed_engine.h"

#include <string>

#include "base/hash.h"
#include "engine/kv/digest.h"

namespace keelson::sim_test {

WitnessedEngine::WitnessedEngine(const kv::KvOptions& options, ClusterWitness& witness, unsigned node, unsigned shard)
    : kv::KvEngine(options), witness_(witness), node_(node), shard_(shard) {}

void WitnessedEngine::apply(const engine::ApplyContext& context, const engine::Command& command,
                            engine::ReplySink& reply) {
  const uint64_t index = is_lent() ? 0 : context.index;
  if (index != index_) flush(index);
  if (index != 0) {
    uint64_t hash = mix64(hash_ ^ static_cast<uint64_t>(context.time_ms) ^ (uint64_t{command.code} << 48));
    for (const std::string_view arg : command.args) hash = hash64(arg, hash);
    hash_ = hash;
  }
  kv::KvEngine::apply(context, command, reply);
}

Status WitnessedEngine::load_checkpoint(std::string_view piece) {
  index_ = 0;
  return kv::KvEngine::load_checkpoint(piece);
}

void WitnessedEngine::flush(uint64_t next) {
  if (index_ != 0) {
    witness_.applied(node_, shard_, index_, hash_);
    if (index_ % state_every == 0) {
      const kv::Digest digest = kv::digest_exact(keyspace());
      witness_.has_state(node_, shard_, index_,
                         hash64({reinterpret_cast<const char*>(digest.data()), digest.size()}, 0));
    }
    if (next != 0 && next < index_) {
      witness_.violate("node " + std::to_string(node_) + " applied an index twice");
    }
  }
  index_ = next;
  hash_ = 0;
}

}  // namespace keelson::sim_test
