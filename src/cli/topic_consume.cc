#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/blob_stdio.h"
#include "cli/topic_verbs.h"
#include "engine/topic/record_reader.h"
#include "protocol/kafka/messages/fetch.h"

namespace keelson::cli {

namespace {

// Fetches are by the topic's name, which version 13 has no more.
constexpr int16_t kFetchVersionMax = 12;
constexpr int32_t kFetchWaitMs = 500;
constexpr int32_t kFetchBytesMax = 16 << 20;
constexpr int32_t kPartitionBytesMax = 4 << 20;
constexpr int16_t kOffsetOutOfRange = 1;
constexpr int16_t kUnknownTopic = 3, kLeaderNotAvailable = 5;
constexpr std::string_view kDeadLetterPrefix = "CloudPubSubDeadLetterSource";

struct Reading {
  int32_t partition = 0;
  int32_t leader = -1;  // -1: to be asked for
  int64_t offset = 0;   // the next one wanted
  int64_t end = INT64_MAX;
  [[nodiscard]] bool is_done() const { return offset >= end; }
};

// Which batches of one answer belong to aborted transactions.
class AbortedFilter {
 public:
  explicit AbortedFilter(const std::optional<std::vector<kafka::FetchResponseAbortedTransaction>>& aborted) {
    if (aborted) waiting_ = *aborted;
    std::ranges::sort(waiting_, {}, &kafka::FetchResponseAbortedTransaction::first_offset);
  }
  // In the order of the batches. True: not to be shown.
  bool is_hidden(const topic::BatchView& batch) {
    while (at_ < waiting_.size() && waiting_[at_].first_offset <= batch.last_offset()) {
      open_.insert(waiting_[at_++].producer_id);
    }
    if (batch.is_control()) {
      const auto control = topic::read_control(batch.bytes());
      if (control && control->type == static_cast<int16_t>(topic::ControlType::kAbort))
        open_.erase(batch.producer_id());
      return true;
    }
    return batch.is_transactional() && open_.contains(batch.producer_id());
  }

 private:
  std::vector<kafka::FetchResponseAbortedTransaction> waiting_;
  size_t at_ = 0;
  std::set<int64_t> open_;
};

// What is done with each message; false: no more.
using OnRecord = std::function<Result<bool>(int32_t partition, const topic::Record& record)>;

class Consumption {
 public:
  Consumption(TopicStage stage, OnRecord on_record) : stage_(stage), on_record_(std::move(on_record)) {}

  Task<Status> begin();
  // One round of fetching; when it is over, is_done() says whether there is more.
  Task<Status> round();
  [[nodiscard]] bool is_done() const {
    return is_stopped_ || std::ranges::all_of(readings_, [](const Reading& one) { return one.is_done(); });
  }
  // How far it came, for the group that was named, if one was.
  Task<Status> commit();

 private:
  Task<Status> use_committed();
  Task<Status> find_leaders();
  Task<Status> fetch_from(int32_t leader, int32_t wait_ms);
  Status take(const kafka::FetchResponsePartition& part);
  Status take_batch(Reading& reading, std::string_view bytes);

  TopicStage stage_;
  OnRecord on_record_;
  std::vector<Reading> readings_;
  topic::RecordReader reader_;
  uint64_t count_ = 0;
  uint64_t committed_count_ = 0;
  bool is_stopped_ = false;
  std::optional<Patience> patience_;  // since something could not be had
};

Task<Status> Consumption::begin() {
  const TopicOptions& options = stage_.options;
  const std::string from = !options.from.empty()                     ? options.from
                           : options.follow && options.group.empty() ? "latest"
                                                                     : "earliest";
  const auto point = parse_start_point(from, stage_.env.clock().wall_ms());
  if (!point) {
    co_return fail(TopicClientErrc::kUsage,
                   "--from is earliest, latest, an offset, @MILLISECONDS since 1970, or a time ago such as 15m");
  }
  auto partitions = co_await partitions_of(stage_.client, options.topic, options.partition);
  if (!partitions.ok()) co_return forward_error(partitions);
  auto starts = co_await offsets_at(stage_.client, options.topic, *partitions, *point, options.read_committed);
  if (!starts.ok()) co_return forward_error(starts);
  for (const PartitionOffset& one : *starts) readings_.push_back({.partition = one.partition, .offset = one.offset});
  if (!options.follow) {
    const StartPoint end{StartPoint::Kind::kLatest, 0};
    auto ends = co_await offsets_at(stage_.client, options.topic, *partitions, end, options.read_committed);
    if (!ends.ok()) co_return forward_error(ends);
    for (size_t i = 0; i < readings_.size(); ++i) readings_[i].end = (*ends)[i].offset;
  }
  if (!options.group.empty()) co_return co_await use_committed();
  co_return Status();
}

Task<Status> Consumption::use_committed() {
  auto committed = co_await committed_offsets(stage_.client, stage_.options.group);
  if (!committed.ok()) co_return forward_error(committed);
  for (const CommittedOffset& one : *committed) {
    if (one.topic != stage_.options.topic) continue;
    for (Reading& reading : readings_) {
      if (reading.partition == one.partition) reading.offset = one.offset;
    }
  }
  co_return Status();
}

Task<Status> Consumption::find_leaders() {
  auto known = co_await stage_.client.topic(stage_.options.topic);
  if (!known.ok()) co_return forward_error(known);
  for (Reading& one : readings_) {
    const auto at =
        std::ranges::find(known->partitions, one.partition, &kafka::MetadataResponsePartition::partition_index);
    one.leader = at == known->partitions.end() ? -1 : at->leader_id;
  }
  co_return Status();
}

Task<Status> Consumption::round() {
  const auto is_lost = [](const Reading& one) { return !one.is_done() && one.leader < 0; };
  if (std::ranges::any_of(readings_, is_lost)) {
    if (Status found = co_await find_leaders(); !found.ok()) co_return found;
  }
  std::set<int32_t> leaders;
  for (const Reading& one : readings_) {
    if (!one.is_done() && one.leader >= 0) leaders.insert(one.leader);
  }
  for (const int32_t leader : leaders) {
    const auto wait_ms = static_cast<int32_t>(kFetchWaitMs / leaders.size());
    if (Status done = co_await fetch_from(leader, wait_ms); !done.ok() || is_stopped_) co_return done;
  }
  if (!std::ranges::any_of(readings_, is_lost)) {
    patience_.reset();
    co_return Status();
  }
  if (!patience_) patience_.emplace(stage_.env);
  if (co_await patience_->once_more()) co_return Status();
  co_return refused("topic " + stage_.options.topic, kLeaderNotAvailable);
}

Task<Status> Consumption::fetch_from(int32_t leader, int32_t wait_ms) {
  kafka::FetchRequest request{.max_wait_ms = wait_ms, .min_bytes = 1, .max_bytes = kFetchBytesMax};
  request.isolation_level = stage_.options.read_committed ? 1 : 0;
  kafka::FetchRequestTopic& topic = request.topics.emplace_back();
  topic.topic = stage_.options.topic;
  for (const Reading& one : readings_) {
    if (one.is_done() || one.leader != leader) continue;
    topic.partitions.push_back(
        {.partition = one.partition, .fetch_offset = one.offset, .partition_max_bytes = kPartitionBytesMax});
  }
  auto told = co_await stage_.client.call_node<kafka::FetchResponse>(leader, request, kFetchVersionMax);
  if (!told.ok()) {
    if (told.error().code() != TopicClientErrc::kUnreachable && !was_not_asked(told.error())) {
      co_return forward_error(told);
    }
    for (Reading& one : readings_) {
      if (one.leader == leader) one.leader = -1;
    }
    co_return Status();
  }
  if (told->error_code != 0) co_return refused("topic " + stage_.options.topic, told->error_code);
  for (const auto& one : told->topics) {
    for (const auto& part : one.partitions) {
      if (Status taken = take(part); !taken.ok() || is_stopped_) co_return taken;
    }
  }
  co_return Status();
}

Task<Status> Consumption::commit() {
  if (stage_.options.group.empty() || committed_count_ == count_) co_return Status();
  committed_count_ = count_;
  std::vector<PartitionOffset> offsets;
  for (const Reading& one : readings_) offsets.push_back({.partition = one.partition, .offset = one.offset});
  co_return co_await commit_offsets(stage_.client, stage_.options.group, stage_.options.topic, std::move(offsets));
}

Status Consumption::take(const kafka::FetchResponsePartition& part) {
  const auto found = std::ranges::find(readings_, part.partition_index, &Reading::partition);
  if (found == readings_.end()) return {};
  if (passes(part.error_code) || part.error_code == kUnknownTopic) {
    found->leader = -1;
    return {};
  }
  if (part.error_code != 0) {
    const std::string what = "topic " + stage_.options.topic + ", partition " + std::to_string(part.partition_index);
    const std::string hint = part.error_code == kOffsetOutOfRange
                                 ? "offset " + std::to_string(found->offset) + " is not there (any more, or yet)"
                                 : std::string();
    return refused(what, part.error_code, hint);
  }
  std::string bytes;
  for (const auto& fragment : part.records.fragments) bytes.append(fragment.bytes);
  AbortedFilter filter(part.aborted_transactions);
  bool has_batch = false;
  // The last batch may be cut off; it comes whole with the next fetch.
  for (std::string_view rest = bytes; topic::check_frame(rest) == topic::BatchErrc::kOk && !is_stopped_;) {
    const topic::BatchView batch(rest);
    has_batch = true;
    if (!filter.is_hidden(batch)) {
      if (Status taken = take_batch(*found, batch.bytes()); !taken.ok()) return taken;
    }
    if (!is_stopped_) found->offset = std::max(found->offset, batch.next_offset());
    rest.remove_prefix(batch.size_bytes());
  }
  if (!has_batch && !bytes.empty()) {
    return fail(TopicClientErrc::kMalformed, stage_.client.address() + " sends batches that make no sense");
  }
  // Nothing is left before the end: compaction took it.
  if (bytes.empty() && part.last_stable_offset >= found->end && !stage_.options.follow) found->offset = found->end;
  return {};
}

Status Consumption::take_batch(Reading& reading, std::string_view bytes) {
  if (reader_.begin(bytes) != topic::BatchErrc::kOk) {
    return fail(TopicClientErrc::kMalformed, "a batch cannot be read: " + std::string(errc_text(reader_.error())));
  }
  topic::Record record;
  while (reader_.next(record)) {
    if (record.offset < reading.offset || record.offset >= reading.end) continue;
    Result<bool> goes_on = on_record_(reading.partition, record);
    if (!goes_on.ok()) return forward_error(goes_on);
    count_++;
    reading.offset = record.offset + 1;
    if (!*goes_on) {
      is_stopped_ = true;
      return {};
    }
  }
  if (reader_.error() != topic::BatchErrc::kOk) {
    return fail(TopicClientErrc::kMalformed, "a batch cannot be read: " + std::string(errc_text(reader_.error())));
  }
  return {};
}

bool is_dead_letter(const topic::Record& record) {
  return std::ranges::any_of(record.headers(), [](const auto& one) { return one.key.starts_with(kDeadLetterPrefix); });
}

// As it was before it was given up.
TopicMessage resent(const topic::Record& record) {
  TopicMessage message;
  if (record.key) message.key = std::string(*record.key);
  if (record.value) message.value = std::string(*record.value);
  for (const auto& header : record.headers()) {
    if (header.key.starts_with(kDeadLetterPrefix)) continue;
    message.headers.emplace_back(header.key, header.value ? std::optional<std::string>(*header.value) : std::nullopt);
  }
  return message;
}

}  // namespace

Status print_line(const std::string& line) {
  static const std::unique_ptr<BlobOutput> output = standard_output();
  return output->write(line + "\n");
}

Status print_json(const nlohmann::ordered_json& line) {
  return print_line(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

Task<Status> topic_consume(TopicStage stage) {
  const TopicOptions& options = stage.options;
  uint64_t left = options.count_max;
  Consumption consumption(stage, [&](int32_t partition, const topic::Record& record) -> Result<bool> {
    const std::string line =
        options.is_raw ? std::string(record.value.value_or("")) : message_line(partition, record, options.is_base64);
    if (Status printed = print_line(line); !printed.ok()) return forward_error(printed);
    return --left != 0;
  });
  if (left == 0) co_return Status();
  if (Status begun = co_await consumption.begin(); !begun.ok()) co_return begun;
  while (!consumption.is_done()) {
    if (Status done = co_await consumption.round(); !done.ok()) co_return done;
    if (Status done = co_await consumption.commit(); !done.ok()) co_return done;
  }
  co_return Status();
}

Task<Status> topic_dead_letters(TopicStage stage) {
  const TopicOptions& options = stage.options;
  std::optional<TopicSender> sender;
  if (!options.resend_to.empty()) {
    Result<TopicSender> made = co_await TopicSender::make(stage.client, options.resend_to, topic::Codec::kNone);
    if (!made.ok()) co_return forward_error(made);
    sender.emplace(std::move(*made));
  }
  uint64_t left = options.count_max;
  const int64_t now_ms = stage.env.clock().wall_ms();
  Consumption consumption(stage, [&](int32_t partition, const topic::Record& record) -> Result<bool> {
    if (!is_dead_letter(record)) return true;
    if (sender) {
      if (Status added = sender->add(resent(record), now_ms); !added.ok()) return forward_error(added);
    } else if (Status printed = print_line(message_line(partition, record, options.is_base64)); !printed.ok()) {
      return forward_error(printed);
    }
    return --left != 0;
  });
  if (left == 0) co_return Status();
  if (Status begun = co_await consumption.begin(); !begun.ok()) co_return begun;
  while (!consumption.is_done()) {
    if (Status done = co_await consumption.round(); !done.ok()) co_return done;
    if (sender) {
      // Sent, and acknowledged, before it is noted as done.
      if (Status sent = co_await sender->send(); !sent.ok()) co_return sent;
      stage.progress.say(std::to_string(sender->sent()) + " messages sent to " + options.resend_to);
    }
    if (Status done = co_await consumption.commit(); !done.ok()) co_return done;
  }
  if (sender) stage.progress.done(std::to_string(sender->sent()) + " messages sent to " + options.resend_to);
  co_return Status();
}

}  // namespace keelson::cli
