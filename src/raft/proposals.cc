#include "raft/proposals.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/batch.h"

namespace keelson::raft {

namespace {
// Memory that the buffer of refused payloads keeps.
constexpr size_t kRefusedBytesKept = size_t{64} << 10;
}  // namespace

Proposals::Proposals(log::NodeId node, uint64_t life, size_t parcel_bytes_max, size_t bytes_max)
    : node_(node), parcel_bytes_max_(parcel_bytes_max), bytes_max_(bytes_max), next_((life << kLifeShift) + 1) {
  KEELSON_CHECK(life != 0 && life <= kLifeMax, "a life is counted from 1, in 24 bits");
}

Buffer& Proposals::begin(uint64_t proposal, uint16_t slot, bool must_lead, bool is_refused) {
  open_proposal_ = proposal;
  open_slot_ = slot;
  open_ = nullptr;
  if (is_refused || (!must_lead && bytes_ >= bytes_max_)) {
    refused_bytes_.clear();
    refused_bytes_.shrink_if_empty(kRefusedBytesKept);
    return refused_bytes_;
  }
  if (parcels_.empty() || parcels_.back().term != 0 || parcels_.back().must_lead != must_lead ||
      parcels_.back().records.size() >= parcel_bytes_max_) {
    Parcel& parcel = parcels_.emplace_back();
    parcel.first = next_;
    parcel.must_lead = must_lead;
    ++unbound_;
  }
  open_ = &parcels_.back();
  header_at_ = open_->records.size();
  open_->records.reserve(kRecordHeaderBytes);
  open_->records.commit(kRecordHeaderBytes);
  return open_->records;
}

void Proposals::end() {
  if (open_ == nullptr) {
    excess_.push_back(open_proposal_);
    return;
  }
  Buffer& records = open_->records;
  const size_t payload_bytes = records.size() - header_at_ - kRecordHeaderBytes;
  KEELSON_CHECK(payload_bytes <= log::kRecordBytesMax, "a record above the limit");
  put_record_header({node_, next_++, open_slot_, RecordKind::kRecord, {}}, static_cast<uint32_t>(payload_bytes),
                    records.data() + header_at_);
  open_->own.push_back({open_proposal_, false});
  open_->bytes += kRecordHeaderBytes + payload_bytes;
  bytes_ += kRecordHeaderBytes + payload_bytes;
  ++pending_;
  open_ = nullptr;
}

void Proposals::refuse_excess(Tell refused) {
  for (const uint64_t proposal : std::exchange(excess_, {})) refused(proposal);
}

void Proposals::bind(Parcel& parcel, uint64_t term) {
  KEELSON_CHECK(parcel.term == 0 && !parcel.own.empty(), "a parcel is bound once");
  if (bound_term_ != term) {
    bound_term_ = term;
    bound_last_ = 0;
  }
  parcel.term = term;
  parcel.previous = bound_last_;
  bound_last_ = parcel.last();
  --unbound_;
}

void Proposals::logged(Parcel& parcel) {
  parcel.is_logged = true;
  parcel.records = Buffer();
}

Parcel* Proposals::parcel_of(uint64_t number) {
  if (parcels_.empty() || number < parcels_.front().first) return nullptr;
  Parcel* found = &parcels_.front();
  if (number > found->last()) {
    const auto behind = std::upper_bound(parcels_.begin(), parcels_.end(), number,
                                         [](uint64_t value, const Parcel& parcel) { return value < parcel.first; });
    found = &*std::prev(behind);
  }
  // The last parcel may be one whose first record is still open.
  return !found->own.empty() && number <= found->last() && !found->own[number - found->first].is_settled ? found
                                                                                                         : nullptr;
}

uint64_t Proposals::find(uint64_t number) {
  const Parcel* parcel = parcel_of(number);
  return parcel == nullptr ? 0 : parcel->own[number - parcel->first].proposal;
}

uint64_t Proposals::settle(uint64_t number) {
  Parcel* parcel = parcel_of(number);
  if (parcel == nullptr) return 0;
  Parcel::Own& own = parcel->own[number - parcel->first];
  own.is_settled = true;
  --pending_;
  const uint64_t proposal = own.proposal;
  if (++parcel->settled == parcel->own.size()) drop_settled();
  return proposal;
}

void Proposals::settle_parcel(Parcel& parcel, Tell tell) {
  // By place: a record may be added while it tells.
  for (size_t i = 0, count = parcel.own.size(); i < count; ++i) {
    if (parcel.own[i].is_settled) continue;
    parcel.own[i].is_settled = true;
    ++parcel.settled;
    --pending_;
    tell(parcel.own[i].proposal);
  }
}

void Proposals::drop_settled() {
  while (!parcels_.empty() && !parcels_.front().own.empty() && &parcels_.front() != open_ &&
         parcels_.front().settled == parcels_.front().own.size()) {
    bytes_ -= parcels_.front().bytes;
    if (parcels_.front().term == 0) --unbound_;
    parcels_.pop_front();
  }
}

void Proposals::settle_before(uint64_t term, Tell tell) {
  // Nothing goes before what is bound next: what is settled here without the log will not be sent again.
  if (bound_term_ < term) bound_last_ = 0;
  // New ones may be begun while it tells.
  const size_t count = parcels_.size();
  for (size_t i = 0; i < count; ++i) {
    Parcel& parcel = parcels_[i];
    if (parcel.term != 0 && parcel.term < term) settle_parcel(parcel, tell);
  }
  drop_settled();
}

void Proposals::settle_unbound_must_lead(Tell tell) {
  const size_t count = parcels_.size();
  for (size_t i = 0; i < count; ++i) {
    Parcel& parcel = parcels_[i];
    if (parcel.term != 0 || !parcel.must_lead || parcel.settled == parcel.own.size()) continue;
    parcel.term = UINT64_MAX;  // none that will be
    --unbound_;
    logged(parcel);
    settle_parcel(parcel, tell);
  }
  drop_settled();
}

void Proposals::settle_all(Tell tell) {
  const size_t count = parcels_.size();
  for (size_t i = 0; i < count; ++i) settle_parcel(parcels_[i], tell);
  drop_settled();
}

}  // namespace keelson::raft
