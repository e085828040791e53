#include "protocol/pubsub/records.h"

#include <algorithm>
#include <set>
#include <utility>

namespace keelson::pubsub {

std::string format_message_id(int32_t partition, int64_t offset) {
  return std::to_string(offset * topic::kPartitionsMax + partition);
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return false;
    uint32_t point = lead & (0x7fU >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + k]);
      if ((byte & 0xc0) != 0x80) return false;
      point = point << 6 | (byte & 0x3fU);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += length;
  }
  return true;
}

std::unique_ptr<topics::Message> message_of(int32_t partition, const topic::Record& record) {
  auto message = std::make_unique<topics::Message>();
  message->partition = partition;
  message->offset = record.offset;
  message->time_ms = record.timestamp_ms;
  if (record.key && is_utf8(*record.key)) message->key = *record.key;
  if (record.value) message->data = *record.value;
  if (record.header_count == 0) return message;
  for (const topic::RecordHeader& header : record.headers()) {
    if (!header.value || !is_utf8(header.key) || !is_utf8(*header.value)) continue;
    const auto same = std::ranges::find(message->attributes, header.key, &topic::Pairs::value_type::first);
    if (same != message->attributes.end()) {
      same->second = *header.value;
    } else {
      message->attributes.emplace_back(header.key, *header.value);
    }
  }
  return message;
}

namespace {

// Which producers' transactions, of those that lie here, come to nothing.
class Aborted {
 public:
  explicit Aborted(const std::vector<topic::AbortedTransaction>& transactions) : left_(transactions) {
    std::ranges::sort(left_, {}, &topic::AbortedTransaction::first_offset);
  }
  // Batches in their order.
  bool hides(const topic::BatchView& batch) {
    for (; next_ < left_.size() && left_[next_].first_offset <= batch.last_offset(); ++next_) {
      producers_.insert(left_[next_].producer_id);
    }
    if (!batch.is_control()) return batch.is_transactional() && producers_.contains(batch.producer_id());
    const auto control = topic::read_control(batch.bytes());
    if (control && control->type == static_cast<int16_t>(topic::ControlType::kAbort)) {
      producers_.erase(batch.producer_id());
    }
    return true;
  }

 private:
  std::vector<topic::AbortedTransaction> left_;
  size_t next_ = 0;
  std::set<int64_t> producers_;
};

Status damaged(int64_t offset, topic::BatchErrc error) {
  return fail(
      std::make_error_code(std::errc::bad_message),
      "the batch at offset " + std::to_string(offset) + " cannot be read: " + std::string(topic::errc_text(error)));
}

}  // namespace

Status walk(const topic::ReadAnswer& answer, int64_t offset, RecordVisitor& visitor) {
  Aborted aborted(answer.aborted);
  topic::RecordReader reader;
  topic::Record record;
  for (const topic::Slice& slice : answer.slices) {
    for (std::string_view rest = slice.bytes; !rest.empty();) {
      if (const topic::BatchErrc frame = topic::check_frame(rest); frame != topic::BatchErrc::kOk) {
        return damaged(offset, frame);
      }
      const topic::BatchView batch(rest);
      rest.remove_prefix(batch.size_bytes());
      if (batch.next_offset() <= offset) continue;
      if (!aborted.hides(batch) && batch.record_count() > 0) {
        topic::BatchErrc error = reader.begin(batch.bytes());
        while (error == topic::BatchErrc::kOk && reader.next(record)) {
          if (record.offset >= offset && !visitor.record(record)) return {};
        }
        if (error == topic::BatchErrc::kOk) error = reader.error();
        if (error != topic::BatchErrc::kOk) return damaged(batch.base_offset(), error);
      }
      offset = batch.next_offset();
      if (!visitor.reached(offset)) return {};
    }
  }
  return {};
}

}  // namespace keelson::pubsub
