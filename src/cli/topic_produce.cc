#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/blob_transfer.h"
#include "cli/topic_verbs.h"
#include "engine/topic/batch_builder.h"
#include "protocol/kafka/messages/produce.h"

namespace keelson::cli {

namespace {

constexpr int16_t kAcksAll = -1;
constexpr int16_t kUnknownTopic = 3, kLeaderNotAvailable = 5;
constexpr int32_t kProduceTimeoutMs = 30'000;
constexpr size_t kInputBytes = 256 << 10;
constexpr size_t kLineBytesMax = 64 << 20;

std::string batch_of(const std::vector<TopicMessage>& messages, topic::Codec codec) {
  topic::BatchBuilder builder({.codec = codec});
  for (const TopicMessage& message : messages) {
    std::vector<topic::RecordHeader> headers;
    for (const auto& [name, value] : message.headers) headers.push_back({.key = name, .value = value});
    builder.add(*message.timestamp_ms, message.key, message.value, headers);
  }
  return builder.finish();
}

// A refusal of one partition, with what the server said of single messages.
std::unexpected<Error> refusal(const std::string& topic, const kafka::ProduceResponsePartition& told) {
  std::optional<std::string> sentence = told.error_message;
  if (!told.record_errors.empty() && told.record_errors[0].batch_index_error_message) {
    sentence = *told.record_errors[0].batch_index_error_message;
  }
  return refused("topic " + topic + ", partition " + std::to_string(told.index), told.error_code, sentence);
}

// Lines out of a stream, with their numbers.
class Lines {
 public:
  explicit Lines(BlobInput& input) : input_(input) {}

  // More bytes; false at the end of the input.
  Task<Result<bool>> more() {
    Result<size_t> got = co_await input_.read(chunk_);
    if (!got.ok()) co_return forward_error(got);
    text_.erase(0, at_);
    at_ = 0;
    text_.append(chunk_.data(), *got);
    if (*got == 0) is_ended_ = true;
    if (text_.size() > kLineBytesMax) {
      co_return fail(TopicClientErrc::kUsage, "line " + std::to_string(number_ + 1) + " is longer than 64 MiB");
    }
    co_return *got != 0;
  }
  // The next whole line of what is there; the last one needs no end.
  std::optional<std::string_view> next() {
    size_t end = text_.find('\n', at_);
    if (end == std::string::npos) {
      if (!is_ended_ || at_ == text_.size()) return std::nullopt;
      end = text_.size();
    }
    std::string_view line = std::string_view(text_).substr(at_, end - at_);
    at_ = std::min(end + 1, text_.size());
    number_++;
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  [[nodiscard]] uint64_t number() const { return number_; }

 private:
  BlobInput& input_;
  std::array<char, kInputBytes> chunk_;
  std::string text_;
  size_t at_ = 0;
  uint64_t number_ = 0;
  bool is_ended_ = false;
};

Status add_line(TopicSender& sender, const TopicOptions& options, std::string_view line, uint64_t number,
                int64_t now_ms) {
  TopicMessage message;
  if (options.is_raw) {
    message.value = std::string(line);
  } else {
    Result<TopicMessage> read = read_message_line(line, options.is_base64);
    if (!read.ok()) {
      return fail(TopicClientErrc::kUsage, "line " + std::to_string(number) + ": " + read.error().message());
    }
    message = std::move(*read);
  }
  if (!message.key && options.key) message.key = options.key;
  if (!message.partition) message.partition = options.partition;
  return sender.add(std::move(message), now_ms);
}

}  // namespace

Task<Result<TopicSender>> TopicSender::make(TopicClient& client, std::string topic, topic::Codec codec) {
  auto told = co_await client.topic(topic);
  if (!told.ok()) co_return forward_error(told);
  if (told->partitions.empty()) {
    co_return fail(TopicClientErrc::kMalformed, client.address() + " names no partition of topic " + topic);
  }
  co_return TopicSender(client, std::move(topic), codec, static_cast<int32_t>(told->partitions.size()));
}

Status TopicSender::add(TopicMessage message, int64_t now_ms) {
  const auto count = static_cast<int32_t>(waiting_.size());
  size_t to = 0;
  if (message.partition) {
    if (*message.partition < 0 || *message.partition >= count) {
      return fail(TopicClientErrc::kUsage, "topic " + topic_ + " has no partition " +
                                               std::to_string(*message.partition) + "; it has " +
                                               std::to_string(count));
    }
    to = static_cast<size_t>(*message.partition);
  } else if (message.key) {
    to = static_cast<size_t>(partition_of_key(*message.key, count));
  } else {
    to = next_keyless_;
  }
  if (!message.timestamp_ms) message.timestamp_ms = now_ms;
  size_t bytes =
      kMessageHeadBytes + (message.key ? message.key->size() : 0) + (message.value ? message.value->size() : 0);
  for (const auto& [name, value] : message.headers) {
    bytes += kHeaderHeadBytes + name.size() + (value ? value->size() : 0);
  }
  std::deque<Batch>& batches = waiting_[to];
  if (batches.empty() || batches.back().bytes + bytes > kBatchBytes) batches.emplace_back();
  batches.back().messages.push_back(std::move(message));
  batches.back().bytes += bytes;
  waiting_bytes_ += bytes;
  waiting_count_++;
  return {};
}

Task<Status> TopicSender::send() {
  Status done;
  while (done.ok() && waiting_count_ != 0) done = co_await send_first();
  for (auto& batches : waiting_) batches.clear();
  waiting_bytes_ = 0;
  waiting_count_ = 0;
  // Messages without keys fill batches of one partition after the other.
  next_keyless_ = (next_keyless_ + 1) % waiting_.size();
  co_return done;
}

Task<Status> TopicSender::send_first() {
  std::map<int32_t, Sending> left;  // by partition
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].empty()) continue;
    const std::vector<TopicMessage>& messages = waiting_[i].front().messages;
    left[static_cast<int32_t>(i)] = {.count = messages.size(), .batch = batch_of(messages, codec_), .why = {}};
    waiting_count_ -= messages.size();
    waiting_[i].pop_front();
  }
  for (Patience patience(client_->env()); !left.empty();) {
    if (!std::ranges::all_of(left, [this](const auto& one) { return leaders_.contains(one.first); })) {
      auto known = co_await client_->topic(topic_);
      if (!known.ok()) co_return forward_error(known);
      for (const auto& part : known->partitions) {
        if (part.leader_id >= 0) leaders_[part.partition_index] = part.leader_id;
      }
    }
    std::map<int32_t, std::vector<int32_t>> by_leader;
    for (const auto& [partition, sending] : left) {
      if (const auto at = leaders_.find(partition); at != leaders_.end()) by_leader[at->second].push_back(partition);
    }
    for (const auto& [leader, partitions] : by_leader) {
      if (Status sent = co_await send_to(leader, partitions, left); !sent.ok()) co_return sent;
    }
    if (left.empty() || co_await patience.once_more()) continue;
    const Status& why = left.begin()->second.why;
    if (!why.ok()) co_return why;
    co_return refused("topic " + topic_ + ", partition " + std::to_string(left.begin()->first), kLeaderNotAvailable);
  }
  co_return Status();
}

// What was acknowledged is taken out of `left`, as is what is refused for good: the first such error is the result.
Task<Status> TopicSender::send_to(int32_t leader, std::vector<int32_t> partitions, std::map<int32_t, Sending>& left) {
  kafka::ProduceRequest request{.acks = kAcksAll, .timeout_ms = kProduceTimeoutMs};
  kafka::ProduceRequestTopic& topic = request.topics.emplace_back();
  topic.name = topic_;
  for (const int32_t partition : partitions) {
    topic.partitions.push_back({.index = partition, .records = left[partition].batch});
  }
  auto told = co_await client_->call_node<kafka::ProduceResponse>(leader, request);
  if (!told.ok() && was_not_asked(told.error())) {
    for (const int32_t partition : partitions) {
      left[partition].why = fail(told.error().code(), told.error().message());
      leaders_.erase(partition);
    }
    co_return Status();
  }
  if (!told.ok()) co_return forward_error(told);
  Status done;
  size_t answers = 0;
  for (const auto& one : told->topics) {
    for (const auto& part : one.partitions) {
      const auto sending = left.find(part.index);
      if (sending == left.end()) continue;
      ++answers;
      if (passes(part.error_code) || part.error_code == kUnknownTopic) {
        sending->second.why = refusal(topic_, part);
        leaders_.erase(part.index);
        continue;
      }
      if (part.error_code == 0) sent_ += sending->second.count;
      if (part.error_code != 0 && done.ok()) done = refusal(topic_, part);
      left.erase(sending);
    }
  }
  if (done.ok() && answers != partitions.size()) {
    co_return fail(TopicClientErrc::kMalformed, client_->address() + " does not say what became of every message");
  }
  co_return done;
}

Task<Status> topic_produce(TopicStage stage) {
  Result<TopicSender> sender = co_await TopicSender::make(stage.client, stage.options.topic, stage.options.codec);
  if (!sender.ok()) co_return forward_error(sender);
  Lines lines(stage.input);
  Status done;
  for (bool is_more = true; is_more && done.ok();) {
    Result<bool> more = co_await lines.more();
    if (!more.ok()) done = forward_error(more);
    is_more = more.ok() && *more;
    const int64_t now_ms = stage.env.clock().wall_ms();
    for (auto line = lines.next(); line && done.ok(); line = lines.next()) {
      if (line->empty() && !stage.options.is_raw) continue;
      done = add_line(*sender, stage.options, *line, lines.number(), now_ms);
      if (done.ok() && sender->is_full()) done = co_await sender->send();
    }
    // What came together goes together; nothing waits for input that may never come. What stood before a bad line is
    // sent as well.
    const Status sent = co_await sender->send();
    if (done.ok()) done = sent;
    stage.progress.say(std::to_string(sender->sent()) + " messages to " + stage.options.topic);
  }
  stage.progress.done(std::to_string(sender->sent()) + " messages to " + stage.options.topic);
  if (!done.ok() && sender->sent() != 0) {
    co_return fail(done.error().code(), done.error().message() + "; " + std::to_string(sender->sent()) +
                                            " messages before were acknowledged");
  }
  co_return done;
}

}  // namespace keelson::cli
