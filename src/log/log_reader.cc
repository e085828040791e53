#include "log/log_reader.h"

#include <algorithm>

namespace keelson::log {

namespace {
constexpr uint64_t kStepBytes = uint64_t{1} << 20;
}

LogReader::LogReader(env::Disk& disk, const LogFolder& folder, bool ignore_crc, LogVisitor& visitor)
    : disk_(disk), folder_(folder), ignore_crc_(ignore_crc), visitor_(visitor) {
  for (size_t i = 0; i < folder_.chain.size(); ++i) bytes_total_ += limit_of(i);
}

bool LogReader::has_exact_end(size_t chain_at) const {
  if (chain_at + 1 >= folder_.chain.size()) return false;
  const auto& next = folder_.chain[chain_at + 1].header;
  return next && next->previous.segment == folder_.chain[chain_at].number;
}

uint64_t LogReader::limit_of(size_t chain_at) const {
  const uint64_t file_bytes = folder_.chain[chain_at].file_bytes;
  return has_exact_end(chain_at) ? std::min(file_bytes, folder_.chain[chain_at + 1].header->previous.offset)
                                 : file_bytes;
}

Result<std::unique_ptr<SegmentReader>> LogReader::open_segment(size_t chain_at) {
  const SegmentInfo& info = folder_.chain[chain_at];
  Result<std::unique_ptr<env::File>> file = disk_.open(info.path, env::OpenMode::kRead);
  if (!file.ok()) return forward_error(file);
  return std::make_unique<SegmentReader>(std::move(*file), segment_seed(folder_.log_id, info.number),
                                         limit_of(chain_at), ignore_crc_);
}

Result<bool> LogReader::step() {
  const uint64_t stop_at = bytes_done_ + kStepBytes;
  while (!is_finished_ && bytes_done_ < stop_at) {
    Result<bool> goes_on = reader_ == nullptr ? enter_segment() : read_one();
    if (!goes_on.ok()) return goes_on;
  }
  return !is_finished_;
}

bool LogReader::finish(bool is_torn) {
  is_finished_ = true;
  end_.is_torn = is_torn;
  return false;
}

Result<bool> LogReader::enter_segment() {
  if (chain_at_ >= folder_.chain.size()) return finish(false);
  if (!segment().header) {
    Result<bool> is_damage = is_vouched_for({segment().number, 0});
    if (!is_damage.ok()) return is_damage;
    if (!*is_damage) return finish(true);
    visitor_.on_damage(segment(), 0, kFirstRecordOffset, nullptr);
    if (!segment().exists) {
      ++chain_at_;
      return true;
    }
  }
  Result<std::unique_ptr<SegmentReader>> reader = open_segment(chain_at_);
  if (!reader.ok()) return forward_error(reader);
  reader_ = std::move(*reader);
  offset_ = whole_until_ = kFirstRecordOffset;
  is_broken_record_ = false;
  end_.chain_size = chain_at_ + 1;
  end_.offset = offset_;
  bytes_done_ += std::min(offset_, reader_->limit());
  visitor_.on_segment(segment());
  return true;
}

void LogReader::leave_segment() {
  visitor_.on_segment_end(segment(), offset_);
  reader_.reset();
  ++chain_at_;
}

Result<bool> LogReader::read_one() {
  if (offset_ == reader_->limit() && has_exact_end(chain_at_) &&
      offset_ == folder_.chain[chain_at_ + 1].header->previous.offset) {
    leave_segment();
    return true;
  }
  Part part;
  Result<PartState> state = reader_->read(offset_, part);
  if (!state.ok()) return forward_error(state);
  if (*state != PartState::kGood) return meet_bad_bytes(*state, part);
  const bool more_follow = (part.header.flags & kFlagMoreFollow) != 0;
  if (more_follow && offset_ >= whole_until_ && !is_broken_record_) {
    Result<bool> is_whole = is_record_whole(part);
    if (!is_whole.ok()) return is_whole;
    if (!*is_whole) {
      Result<bool> is_damage = is_vouched_for({segment().number, offset_});
      if (!is_damage.ok()) return is_damage;
      if (!*is_damage) return finish(true);
      is_broken_record_ = true;
    }
    state = reader_->read(offset_, part);
    if (!state.ok()) return forward_error(state);
    if (*state != PartState::kGood) return meet_bad_bytes(*state, part);
  }
  if (!more_follow) is_broken_record_ = false;
  bytes_done_ += part.end_offset() - offset_;
  offset_ = end_.offset = part.end_offset();
  deliver(part);
  return true;
}

void LogReader::deliver(const Part& part) {
  if (part.header.type == kTypeRecord) {
    visitor_.on_record(segment(), part);
  } else if (const std::optional<Mark> mark = parse_mark(part.payload)) {
    visitor_.on_mark(segment(), part, *mark);
  }
}

Result<bool> LogReader::is_record_whole(const Part& first) {
  Part part = first;
  while ((part.header.flags & kFlagMoreFollow) != 0) {
    Result<PartState> state = reader_->read(part.end_offset(), part);
    if (!state.ok()) return forward_error(state);
    const bool continues = (part.header.flags & kFlagContinues) != 0;
    if (*state != PartState::kGood || part.header.type != kTypeRecord || !continues) return false;
  }
  whole_until_ = part.end_offset();
  return true;
}

Result<bool> LogReader::meet_bad_bytes(PartState state, const Part& part) {
  if (offset_ < whole_until_) {
    return fail(LogErrc::kDamaged, "log: " + segment().path + " at offset " + std::to_string(offset_) +
                                       " was read twice and differed; check the machine's disk and memory");
  }
  Result<bool> is_damage = is_vouched_for({segment().number, offset_});
  if (!is_damage.ok()) return is_damage;
  if (!*is_damage) {
    if (state == PartState::kBadPayload || chain_at_ + 1 < folder_.chain.size()) return finish(true);
    Result<std::optional<uint64_t>> later = reader_->find_header(offset_ + 1);
    if (!later.ok()) return forward_error(later);
    return finish(later->has_value());
  }
  uint64_t go_on = reader_->limit();
  const bool has_header = state == PartState::kBadPayload;
  if (const uint64_t end = offset_ + kPartHeaderBytes + part.header.payload_bytes; has_header && end <= go_on) {
    go_on = end;
  } else {
    Result<std::optional<uint64_t>> later = reader_->find_header(offset_ + 1);
    if (!later.ok()) return forward_error(later);
    if (*later) go_on = **later;
  }
  uint64_t hole_end = go_on;
  const bool is_segment_over = go_on == reader_->limit();
  if (is_segment_over && has_exact_end(chain_at_)) hole_end = folder_.chain[chain_at_ + 1].header->previous.offset;
  visitor_.on_damage(segment(), offset_, hole_end, has_header ? &part.header : nullptr);
  bytes_done_ += go_on - std::min(offset_, go_on);
  offset_ = end_.offset = go_on;
  is_broken_record_ = true;
  if (is_segment_over) leave_segment();
  return true;
}

Result<bool> LogReader::is_vouched_for(LogPlace place) {
  if (!vouched_until_) {
    vouched_until_ = LogPlace{};
    if (reader_ != nullptr) {
      if (Status status = look_for_marks(chain_at_, *reader_, offset_); !status.ok()) return forward_error(status);
    }
    for (size_t i = chain_at_ + (reader_ != nullptr ? 1 : 0); i < folder_.chain.size(); ++i) {
      if (!folder_.chain[i].exists) continue;
      Result<std::unique_ptr<SegmentReader>> reader = open_segment(i);
      if (!reader.ok()) return forward_error(reader);
      if (Status status = look_for_marks(i, **reader, kFirstRecordOffset); !status.ok()) return forward_error(status);
    }
  }
  return *vouched_until_ > place;
}

Status LogReader::look_for_marks(size_t chain_at, SegmentReader& reader, uint64_t offset) {
  while (true) {
    Result<std::optional<uint64_t>> found = reader.find_header(offset);
    if (!found.ok()) return forward_error(found);
    if (!*found) return {};
    Part part;
    Result<PartState> state = reader.read(**found, part);
    if (!state.ok()) return forward_error(state);
    offset = **found + 1;
    if (*state != PartState::kGood) continue;
    offset = part.end_offset();
    if (part.header.type != kTypeMark) continue;
    const std::optional<Mark> mark = parse_mark(part.payload);
    const LogPlace here{folder_.chain[chain_at].number, part.offset};
    if (mark && mark->synced <= here) vouched_until_ = std::max(*vouched_until_, mark->synced);
  }
}

}  // namespace keelson::log
