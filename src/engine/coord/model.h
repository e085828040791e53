// The oracle of the coordination engine's tests: the whole state at every revision, kept as it was, and every answer
// made from it in the plainest way. Answers are TextSink's text.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/coord/commands.h"
#include "engine/coord/test_support.h"

namespace keelson::coord {

struct ModelKv {
  std::string key{};
  std::string value{};
  Revision create = 0;
  Revision mod = 0;
  int64_t version = 0;
  LeaseId lease = 0;
  [[nodiscard]] KeyValue view() const { return {key, value, create, mod, version, lease}; }
};
using ModelState = std::map<std::string, ModelKv>;

class Model {
 public:
  Model() : states_(2), events_(2) {}

  std::string run(const Put& put);
  std::string run(const DeleteRange& range);
  std::string run(const Range& range) const;
  std::string run(const Txn& txn);
  std::string run(const Compact& compact);
  std::string run(const LeaseGrant& grant);
  std::string run(const LeaseRevoke& revoke);
  std::string run(const LeaseExpire& expire);
  std::string run(const LeaseReign&);
  std::string run(const LeaseTimeToLive& which) const;
  std::string run(const LeaseList& which) const;
  std::string run(const ReadEvents& which) const;
  std::string run(const StoreStatus& which) const;
  // What a scan of all pages tells, without the pages' ends.
  [[nodiscard]] std::string scan(Revision to) const;

  [[nodiscard]] Revision revision() const { return static_cast<Revision>(states_.size()) - 1; }
  [[nodiscard]] Revision compact_revision() const { return compact_revision_; }
  [[nodiscard]] std::vector<LeaseId> lease_ids() const;
  [[nodiscard]] uint64_t lease_reign() const { return lease_reign_; }
  [[nodiscard]] uint64_t grant_of(LeaseId id) const { return leases_.contains(id) ? leases_.at(id).grant : 0; }

 private:
  struct ModelLease {
    int64_t ttl_s = 0;
    uint64_t grant = 0;
  };
  struct ModelEvent {
    ModelKv kv{};  // version 0: a deletion
    bool has_prev = false;
    ModelKv prev{};  // at the revision before
  };

  static bool is_in(const std::string& key, std::string_view from, std::string_view range_end);
  std::vector<ModelKv> select(const ModelState& state, std::string_view key, std::string_view range_end) const;
  std::string failed(CoordErrc code) const;
  CoordErrc check_put(const Put& put) const;
  CoordErrc check_range(const Range& range) const;
  bool holds(const Compare& compare) const;
  bool succeeds(const Txn& txn) const;
  CoordErrc check_ops(const Txn& txn, bool of_ranges) const;
  void begin();
  void end();
  Revision so_far() const { return revision() - (changes_ == 0 ? 1 : 0); }
  void do_put(TextSink& sink, const Put& put);
  void do_delete(TextSink& sink, const DeleteRange& range);
  void do_range(TextSink& sink, const Range& range, Revision so_far) const;
  void do_txn(TextSink& sink, const Txn& txn);
  void remove(const std::string& key);
  void drop_lease(LeaseId id);
  // The state that the change under way makes, and the one before it.
  ModelState& present() { return states_.back(); }
  const ModelState& before() const { return states_[states_.size() - (is_changing_ ? 2 : 1)]; }

  std::vector<ModelState> states_;  // by revision
  std::vector<std::vector<ModelEvent>> events_;
  std::map<LeaseId, ModelLease> leases_;
  Revision compact_revision_ = 0;
  uint64_t next_grant_ = 1;
  uint64_t lease_reign_ = 0;
  bool is_changing_ = false;
  int changes_ = 0;
};

}  // namespace keelson::coord
