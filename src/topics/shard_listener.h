// What one shard tells Topics, on the shard's reactor. For this folder alone.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/topic/topic_engine.h"
#include "shard/shard.h"
#include "topics/desk.h"
#include "topics/leads.h"
#include "topics/sweeper.h"

namespace keelson::topics::detail {

class ShardListener final : public shard::ShardListener {
 public:
  struct Parts {
    Desk& desk;        // of the shard's reactor
    Sweeper& sweeper;  // likewise
    Leads& leads;
    std::atomic<uint64_t>& directory_version;
    std::atomic<uint64_t>& documents_version;
    shard::ShardId first_shard = 0;  // where topics are looked up, if it can be read here
  };
  explicit ShardListener(Parts parts) : parts_(parts) {}

  void applied(shard::Shard& shard) override {
    parts_.desk.touched(shard.id());
    // A borrower's changes are seen when it gives the shard back.
    if (!shard.is_lent()) look(shard);
  }
  void replaced(shard::Shard& shard) override {
    parts_.sweeper.state_replaced(shard.id());
    parts_.desk.state_replaced(shard.id());
    look(shard);
  }
  void leader_changed(shard::Shard& shard, log::NodeId leader, bool is_here) override {
    const bool was_known = parts_.leads.leader_of(shard.id()) != 0;
    parts_.leads.changed(shard.id(), leader, is_here);
    // Who waits there may have to go elsewhere.
    parts_.desk.touched(shard.id());
    // Topics are looked up on another shard from now on, or here again.
    if (shard.id() == parts_.first_shard && was_known != (leader != 0)) grow(parts_.directory_version);
  }
  // The state as it is at the start.
  void begin(shard::Shard& shard) {
    parts_.desk.touched(shard.id());
    if (!shard.is_lent()) look(shard);
  }

 private:
  static void grow(std::atomic<uint64_t>& version) { version.fetch_add(1, std::memory_order_acq_rel); }

  void look(shard::Shard& shard) {
    const auto& engine = static_cast<topic::TopicEngine&>(shard.engine());
    if (const uint64_t changes = engine.topic_changes(); changes != topic_changes_) {
      topic_changes_ = changes;
      // What the mirrors hear is news only where the first shard is not.
      const bool is_news = shard.id() == parts_.first_shard || parts_.leads.leader_of(parts_.first_shard) == 0;
      if (is_news) grow(parts_.directory_version);
    }
    if (const uint64_t changes = engine.document_changes(); changes != document_changes_) {
      document_changes_ = changes;
      grow(parts_.documents_version);
    }
    if (const uint64_t removals = engine.topic_removals(); removals != topic_removals_) {
      topic_removals_ = removals;
      parts_.desk.topic_deleted();
    }
  }

  const Parts parts_;
  uint64_t topic_changes_ = 0;
  uint64_t document_changes_ = 0;
  uint64_t topic_removals_ = 0;
};

}  // namespace keelson::topics::detail
