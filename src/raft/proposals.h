// The proposals of this node to one group, until each has its outcome.
//
// Records are gathered in parcels as they will stand in an entry (batch.h). A parcel is bound to one term when it is
// put into the log or sent to the leader; then its outcome can only come out of the log: applied, refused there, or
// passed over by a later term. Numbers grow by one, so a number finds its proposal by arithmetic.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/buffer.h"
#include "base/function_ref.h"
#include "log/agreed_log.h"

namespace keelson::raft {

struct Parcel {
  uint64_t first = 0;     // number of its first record
  uint64_t previous = 0;  // of the record before it in the same term, 0: none
  uint64_t term = 0;      // 0: not bound yet
  bool must_lead = false;
  bool is_logged = false;  // this node led and put it into the log itself: never sent, and its bytes are gone
  Buffer records;
  size_t bytes = 0;  // of the records, also when they are gone
  struct Own {
    uint64_t proposal = 0;
    bool is_settled = false;
  };
  std::vector<Own> own;
  size_t settled = 0;
  [[nodiscard]] uint64_t last() const { return first + own.size() - 1; }
};

class Proposals {
 public:
  // Told the caller's number of a proposal.
  using Tell = FunctionRef<void(uint64_t proposal)>;

  // `life`: batch.h. A parcel is closed at parcel_bytes_max.
  Proposals(log::NodeId node, uint64_t life, size_t parcel_bytes_max, size_t bytes_max);

  // Opens a record. Above bytes_max it is kept apart, to be refused by refuse_excess().
  Buffer& begin(uint64_t proposal, uint16_t slot, bool must_lead, bool is_refused);
  void end();
  // Tells those that begin() kept apart.
  void refuse_excess(Tell refused);
  [[nodiscard]] bool has_excess() const { return !excess_.empty(); }

  // In the order of their numbers. Unbound ones may stand before bound ones: records of a borrower go first.
  [[nodiscard]] std::deque<Parcel>& parcels() { return parcels_; }
  [[nodiscard]] bool has_unbound() const { return unbound_ != 0; }
  // `previous` is set to the last that was bound to this term.
  void bind(Parcel& parcel, uint64_t term);
  // Its bytes are in the log and not needed here any more.
  void logged(Parcel& parcel);

  // The caller's number of a proposal without an outcome; 0: none such. settle(): it has its outcome from now on.
  [[nodiscard]] uint64_t find(uint64_t number);
  uint64_t settle(uint64_t number);
  // Of the bound ones, those of terms below (or, the second, up to) `term`, in order.
  void settle_before(uint64_t term, Tell tell);
  void settle_up_to(uint64_t term, Tell tell) { settle_before(term + 1, tell); }
  // Records of a borrower that are not bound and never will be.
  void settle_unbound_must_lead(Tell tell);
  void settle_all(Tell tell);

  // Of all records that have no outcome, about.
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t pending() const { return pending_; }

 private:
  [[nodiscard]] Parcel* parcel_of(uint64_t number);
  void settle_parcel(Parcel& parcel, Tell tell);
  void drop_settled();

  const log::NodeId node_;
  const size_t parcel_bytes_max_;
  const size_t bytes_max_;
  uint64_t next_;
  std::deque<Parcel> parcels_;
  size_t bytes_ = 0;
  size_t unbound_ = 0;  // parcels
  uint64_t pending_ = 0;
  uint64_t bound_term_ = 0;
  uint64_t bound_last_ = 0;  // the last number bound to bound_term_

  // The record that is open.
  Parcel* open_ = nullptr;  // null: it is refused
  size_t header_at_ = 0;
  uint64_t open_proposal_ = 0;
  uint16_t open_slot_ = 0;
  Buffer refused_bytes_;
  std::vector<uint64_t> excess_;
};

}  // namespace keelson::raft
