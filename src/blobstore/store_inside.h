// The inside of Store: its volumes and what runs beside them. For this folder alone.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "blobstore/piece_buffer.h"
#include "blobstore/store.h"
#include "blobstore/volume_set.h"

namespace keelson::blobstore {

// A payload being read, on one reactor; the volumes are another's. See reader.cc.
class Reader;

struct Store::Inside {
  Inside(Store& owner, env::Env& environment, shard::Runtime& shards, StoreOptions wishes)
      : store(owner), env(environment), runtime(shards), options(std::move(wishes)) {}

  [[nodiscard]] VolumeSet& volumes_of(shard::ShardId id) { return *volume_sets[id - store.router().first_shard()]; }
  [[nodiscard]] env::Reactor& owner_of(shard::ShardId id) { return runtime.reactor_of(id); }
  [[nodiscard]] env::TaskScope& scope_of(shard::ShardId id) { return *scopes[runtime.router().reactor_of(id)]; }
  // Gives pins back; from any reactor.
  void unpin(shard::ShardId id, std::vector<uint32_t> volumes);

  // ---- Background work (background.cc); each on the reactor that owns the shard.

  Task<void> run_background(unsigned reactor_index);
  Task<Status> compact(shard::ShardId id);
  Task<Status> remove_dead(shard::ShardId id);
  // On the owner's reactor: for the stats.
  void note_live(shard::ShardId id, const blob::UsageInfo& usage);
  Task<Status> scrub(shard::ShardId id, ScrubReport& report);
  // Seals the active volume if enough of it is dead. Gives the volumes that are to be rewritten.
  struct Victims {
    std::vector<uint32_t> volumes;
    uint32_t too_large = 0;  // the deadest one for whose live bytes there is no room; 0: none
  };
  Victims choose_victims(shard::ShardId id, const std::map<uint32_t, uint64_t>& live_bytes);
  // Copies live extents of `victims` to the active volume and moves the metadata.
  Task<Status> rewrite(shard::ShardId id, std::vector<uint32_t> victims);
  // Leaves the reactor to others for as long as the share of time demands, after work of that long.
  Task<void> rest(env::Reactor& here, int64_t worked_ns);

  // From the page cache, or else off the reactor: background work reads what nobody has read for long.
  Task<Status> read_piece(shard::ShardId id, uint32_t volume, uint64_t offset, size_t bytes, PieceBuffer& into);
  // On a disk so full that a victim cannot be rewritten whole: in steps from its end. shrink.cc.
  Task<Status> shrink(shard::ShardId id, uint32_t victim);
  struct Tail;
  Task<Status> look_at_tail(shard::ShardId id, uint32_t victim, Tail& tail);
  // How many bytes the file has become shorter by.
  Task<Result<uint64_t>> cut_tail(shard::ShardId id, uint32_t victim, const Tail& tail);
  Task<Status> move_tail(shard::ShardId id, uint32_t victim, uint64_t from_bytes);

  // What has been copied and waits for its command.
  struct Moving {
    blob::MoveExtents command;
    std::vector<uint32_t> pinned;  // volumes written to
    uint64_t bytes = 0;
  };
  Task<Status> copy_extent(shard::ShardId id, blob::Extent from, uint64_t owner, Moving& moving,
                           std::vector<blob::Extent>& to);
  Task<Status> commit_moves(shard::ShardId id, Moving& moving, const std::vector<uint32_t>& victims);
  // What is wrong with it; empty: nothing.
  Task<std::string> verify_extent(shard::ShardId id, blob::Extent extent, uint64_t owner, uint64_t& bytes_read);

  struct ShardWork {
    bool is_compacting = false;
    int64_t live_bytes = 0;      // counted in the reactor's stats
    std::set<uint32_t> damaged;  // volumes that cannot be rewritten
  };

  Store& store;
  env::Env& env;
  shard::Runtime& runtime;
  const StoreOptions options;
  std::vector<std::unique_ptr<StoreStats>> stats;       // of each reactor
  std::vector<std::unique_ptr<VolumeSet>> volume_sets;  // of each shard of the service
  std::vector<std::unique_ptr<env::TaskScope>> scopes;  // of each reactor: what callers wait for
  std::vector<std::unique_ptr<env::TaskScope>> beside;  // of each reactor: background work
  std::vector<ShardWork> work;                          // of each shard; its owner's
  std::atomic<unsigned> held{0};                        // written on reactor 0
  std::atomic<bool> is_stopping{false};
};

}  // namespace keelson::blobstore
