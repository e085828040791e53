#include "engine/topic/topic_engine.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "engine/topic/directory.h"
#include "engine/topic/engine_parts.h"
#include "engine/topic/log_store.h"
#include "engine/topic/log_upkeep.h"

namespace keelson::topic {

namespace {

enum Block : uint8_t { kCounters = 1, kTopic = 2, kDocument = 3, kPartition = 4, kPart = 5, kGone = 6 };
constexpr uint8_t kCountersVersion = 2;
// A key's hash and offset in a table that is 7/8 full when it doubles: 25 bytes for each place.
constexpr size_t kCompactionBytesPerKey = 64;
constexpr int64_t kCompactionRetryMs = 3'600'000;
// A part is cut into blocks of that size.
constexpr size_t kPartBlockBytes = size_t{1} << 20;
// What comes early is handed out in runs of about that size: all of it at once might be more than a checkpoint's piece
// may have.
constexpr size_t kEarlyBytes = size_t{128} << 10;

template <class Out>
void append_block(Out& out, Block kind, std::string_view bytes) {
  append_u8(out, kind);
  append_string(out, bytes);
}

std::unexpected<Error> malformed(std::string what) {
  return fail(std::make_error_code(std::errc::bad_message), "topic: " + std::move(what));
}

}  // namespace

struct TopicEngine::State {
  explicit State(TopicEngineOptions options)
      : store({.disk = options.disk,
               .folder = std::move(options.folder),
               .cache_bytes = options.disk == nullptr ? SIZE_MAX : options.cache_bytes,
               .open_files_max = options.open_files_max,
               .partition_settle_bytes = options.partition_settle_bytes,
               .settle_bytes = options.settle_bytes,
               .faults = options.faults}),
        parts(make_parts()) {}

  // The topic's partition, made if it was never written to. Null: answered.
  PartitionLog* obtain(const PartitionId& id, Answer& answer) {
    if (PartitionLog* log = store.find(id); log != nullptr) return log;
    const Topic* topic = directory.find(id.topic);
    if (topic == nullptr) {
      answer.error = TopicErrc::kUnknownTopic;
    } else if (id.partition < 0 || id.partition >= topic->info.partition_count) {
      answer.error = TopicErrc::kUnknownPartition;
    } else {
      return &store.obtain(id, topic->config);
    }
    return nullptr;
  }

  void apply(const engine::ApplyContext& context, const CreateTopic& body, Answer& answer) {
    directory.create(context, body, answer);
  }
  void apply(const engine::ApplyContext&, const DeleteTopic& body, Answer& answer) {
    if (const Topic* topic = directory.find(body.id); topic != nullptr) remove_partitions(topic->info);
    directory.remove(body, answer);
  }
  void apply(const engine::ApplyContext&, const AddPartitions& body, Answer& answer) {
    directory.add_partitions(body, answer);
  }
  void apply(const engine::ApplyContext&, const ConfigureTopic& body, Answer& answer) {
    directory.configure(body, answer);
  }
  void apply(const engine::ApplyContext&, const MirrorTopic& body, Answer& answer) {
    Directory::Removed removed;
    directory.mirror(body, answer, removed);
    for (const auto& topic : removed) remove_partitions(topic->info);
  }
  void remove_partitions(const TopicInfo& info) {
    for (int32_t i = 0; i < info.partition_count; ++i) store.remove({info.id, i});
  }
  void apply(const engine::ApplyContext&, PutDocument& body, Answer& answer) { directory.put(body, answer); }
  void apply(const engine::ApplyContext&, const DeleteDocument& body, Answer& answer) {
    directory.remove(body, answer);
  }
  void apply(const engine::ApplyContext&, const ClaimShard&, Answer& answer) {
    // Two thousand million of them are more than any shard will see: nobody could claim it any more.
    if (claim == INT32_MAX) {
      answer.error = TopicErrc::kInvalid;
    } else {
      answer.claim = ++claim;
    }
  }
  void apply(const engine::ApplyContext&, const TrimPartition& body, Answer& answer) {
    PartitionLog* log = obtain(body.at, answer);
    if (log == nullptr) return;
    answer.error = log->trim(store, body.start);
    answer.append.log_start = log->log_start();
  }
  void apply(const engine::ApplyContext& context, const EndPartitionTransaction& body, Answer& answer) {
    PartitionLog* log = obtain(body.at, answer);
    if (log != nullptr) answer.error = log->end_transaction(store, context, body, answer.append);
  }
  void append(const engine::ApplyContext& context, const engine::Command& command, Answer& answer) {
    Append body;
    if (command.args.size() != 2 || !decode(command.args[0], body)) {
      answer.error = TopicErrc::kInvalid;
      return;
    }
    PartitionLog* log = obtain(body.to, answer);
    if (log == nullptr) return;
    answer.error = log->append(store, context, command.args[1], body.is_from_client, answer.append, answer.reason);
  }

  void query(const FindTopic& body, Answer& answer) { directory.find(body, answer); }
  void query(const ListTopics& body, Answer& answer) { directory.list(body, answer); }
  void query(const FindDocuments& body, Answer& answer) { directory.find(body, answer); }
  void query(const DescribeDirectory&, Answer& answer) {
    answer.directory = directory.info();
    answer.claim = claim;
  }
  void query(const Read& body, Answer& answer) {
    with_log(body.from, answer,
             [&](const PartitionLog& log) { answer.error = log.read(store, body, answer.read, answer.reason); });
  }
  void query(const FindOffset& body, Answer& answer) {
    with_log(body.in, answer, [&](const PartitionLog& log) {
      answer.error = log.find_offset(store, body, answer.found, answer.reason);
    });
  }
  void query(const DescribePartition& body, Answer& answer) {
    with_log(body.of, answer, [&](const PartitionLog& log) { log.describe(answer.partition); });
  }
  void query(const DescribeProducers& body, Answer& answer) {
    with_log(body.of, answer, [&](const PartitionLog& log) {
      if (log.producers() != nullptr) log.producers()->describe(answer.producers, query_time_ms);
    });
  }

  // A partition that was never written to is as an empty one, and is not made by a question.
  template <class Ask>
  void with_log(const PartitionId& id, Answer& answer, const Ask& ask) {
    if (const PartitionLog* log = store.find(id); log != nullptr) return ask(*log);
    const Topic* topic = directory.find(id.topic);
    if (topic == nullptr) {
      answer.error = TopicErrc::kUnknownTopic;
    } else if (id.partition < 0 || id.partition >= topic->info.partition_count) {
      answer.error = TopicErrc::kUnknownPartition;
    } else {
      ask(PartitionLog(id, topic->config));
    }
  }

  template <class Body>
  void apply_body(const engine::ApplyContext& context, const engine::Command& command, Answer& answer) {
    Body body;
    if (command.args.size() != 1 || !decode(command.args[0], body)) {
      answer.error = TopicErrc::kInvalid;
    } else {
      apply(context, body, answer);
    }
  }
  template <class Body>
  void query_body(const engine::Command& command, Answer& answer) {
    Body body;
    if (command.args.size() != 1 || !decode(command.args[0], body)) {
      answer.error = TopicErrc::kInvalid;
    } else {
      query(body, answer);
    }
  }

  Status load_block(uint8_t kind, std::string_view block);
  bool load_counters(std::string_view block);
  Status load_partition(std::string_view block);
  Status load_part(std::string_view block);

  Directory directory;
  LogStore store;
  std::array<std::unique_ptr<Part>, kPartCount> parts;
  int32_t claim = 0;
  int64_t query_time_ms = 0;
  uint64_t checkpoints = 0;
  // Of the checkpoint that is being loaded.
  bool has_counters = false;
  std::string part_bytes;
};

// ---- Commands and queries.

TopicEngine::TopicEngine(TopicEngineOptions options) : state_(std::make_unique<State>(std::move(options))) {}
TopicEngine::~TopicEngine() = default;

void TopicEngine::apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  Answer unheard;
  Answer* heard = static_cast<AnswerSink&>(reply).answer();
  Answer& answer = heard == nullptr ? unheard : *heard;
  State& state = *state_;
  const auto code = static_cast<Code>(command.code);
  switch (code) {
    case Code::kAppend:
      return state.append(context, command, answer);
    case Code::kCreateTopic:
      return state.apply_body<CreateTopic>(context, command, answer);
    case Code::kDeleteTopic:
      return state.apply_body<DeleteTopic>(context, command, answer);
    case Code::kAddPartitions:
      return state.apply_body<AddPartitions>(context, command, answer);
    case Code::kConfigureTopic:
      return state.apply_body<ConfigureTopic>(context, command, answer);
    case Code::kMirrorTopic:
      return state.apply_body<MirrorTopic>(context, command, answer);
    case Code::kPutDocument:
      return state.apply_body<PutDocument>(context, command, answer);
    case Code::kDeleteDocument:
      return state.apply_body<DeleteDocument>(context, command, answer);
    case Code::kClaimShard:
      return state.apply_body<ClaimShard>(context, command, answer);
    case Code::kTrimPartition:
      return state.apply_body<TrimPartition>(context, command, answer);
    case Code::kEndPartitionTransaction:
      return state.apply_body<EndPartitionTransaction>(context, command, answer);
    default:
      break;
  }
  const size_t part = part_of_command(command.code);
  if (part < kPartCount && command.args.size() == 1) {
    return state.parts[part]->apply({context, state.claim}, code, command.args[0], heard);
  }
  answer.error = TopicErrc::kInvalid;
}

void TopicEngine::query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  Answer* heard = static_cast<AnswerSink&>(reply).answer();
  if (heard == nullptr) return;
  Answer& answer = *heard;
  State& state = *state_;
  state.query_time_ms = context.time_ms;
  const auto code = static_cast<Code>(command.code);
  switch (code) {
    case Code::kRead:
      return state.query_body<Read>(command, answer);
    case Code::kFindTopic:
      return state.query_body<FindTopic>(command, answer);
    case Code::kListTopics:
      return state.query_body<ListTopics>(command, answer);
    case Code::kFindDocuments:
      return state.query_body<FindDocuments>(command, answer);
    case Code::kDescribeDirectory:
      return state.query_body<DescribeDirectory>(command, answer);
    case Code::kFindOffset:
      return state.query_body<FindOffset>(command, answer);
    case Code::kDescribePartition:
      return state.query_body<DescribePartition>(command, answer);
    case Code::kDescribeProducers:
      return state.query_body<DescribeProducers>(command, answer);
    default:
      break;
  }
  const size_t part = part_of_query(command.code);
  if (part < kPartCount && command.args.size() == 1) {
    answer.claim = state.claim;
    return state.parts[part]->query(context, code, command.args[0], answer);
  }
  answer.error = TopicErrc::kInvalid;
}

// ---- Checkpoints.

// Topics, documents and parts are written down at the beginning, partitions one after another; one that is about to
// change comes early. Before it begins, all batches lie in segments.
class TopicEngine::Checkpoint final : public engine::CheckpointSource {
 public:
  explicit Checkpoint(State& state) : state_(state), settled_(state.store.settle_all()) {
    LogStore& store = state.store;
    store.checkpoint_number = ++state.checkpoints;
    store.before_change = [this](PartitionLog& log) { save(log, early()); };
    store.checkpoint_began();
    unsynced_ = store.take_unsynced();
    save_counters();
    std::string bytes;
    state.directory.save_gone(bytes);
    if (!bytes.empty()) append_block(early(), kGone, bytes);
    for (const auto& [id, topic] : state.directory.topics()) {
      state.directory.save_topic(*topic, bytes);
      append_block(early(), kTopic, bytes);
    }
    for (const auto& [key, document] : state.directory.documents()) {
      Directory::save_document(document, bytes);
      append_block(early(), kDocument, bytes);
    }
    for (size_t i = 0; i < kPartCount; ++i) save_part(i);
    for (const auto& [id, log] : store.logs()) left_.push_back(id);
    std::ranges::reverse(left_);
  }
  ~Checkpoint() override {
    // What is not known to be durable is synced with the next one.
    state_.store.put_back_unsynced(std::move(unsynced_));
    state_.store.before_change = nullptr;
  }

  bool next(size_t bytes_wanted, Buffer& out) override {
    const size_t until = out.size() + bytes_wanted;
    for (; !early_.empty() && out.size() < until; early_.pop_front()) out.append(early_.front().view());
    while (!left_.empty() && out.size() < until) {
      PartitionLog* log = state_.store.find(left_.back());
      left_.pop_back();
      if (log != nullptr && log->saved_by != state_.store.checkpoint_number) save(*log, out);
    }
    return left_.empty() && early_.empty();
  }

  Task<Status> make_durable(env::Reactor& here) override {
    state_.store.before_change = nullptr;
    // Without room for the batches there is no checkpoint of them.
    if (!settled_.ok()) co_return forward_error(settled_);
    Status synced = co_await state_.store.sync(unsynced_, here);
    if (synced.ok()) unsynced_.clear();
    co_return synced;
  }

 private:
  Buffer& early() {
    if (early_.empty() || early_.back().size() >= kEarlyBytes) early_.emplace_back();
    return early_.back();
  }
  void save_counters() {
    std::string bytes;
    append_u8(bytes, kCountersVersion);
    append_varint(bytes, state_.directory.next_version());
    append_varint(bytes, static_cast<uint32_t>(state_.claim));
    append_varint(bytes, state_.directory.info().version);
    append_block(early(), kCounters, bytes);
  }
  void save_part(size_t i) {
    Buffer saved;
    state_.parts[i]->save(saved);
    std::string_view rest = saved.view();
    do {
      std::string bytes;
      append_u8(bytes, static_cast<uint8_t>(i));
      append_u8(bytes, rest.size() <= kPartBlockBytes ? 1 : 0);
      bytes.append(rest.substr(0, kPartBlockBytes));
      rest.remove_prefix(std::min(rest.size(), kPartBlockBytes));
      append_block(early(), kPart, bytes);
    } while (!rest.empty());
  }
  void save(PartitionLog& log, Buffer& out) {
    log.saved_by = state_.store.checkpoint_number;
    std::string bytes;
    log.save(bytes);
    append_block(out, kPartition, bytes);
  }

  State& state_;
  Status settled_;
  std::deque<Buffer> early_;       // whole blocks, in the order in which they go out
  std::vector<PartitionId> left_;  // the last one is the next
  std::set<SegmentName> unsynced_;
};

std::unique_ptr<engine::CheckpointSource> TopicEngine::begin_checkpoint() {
  return std::make_unique<Checkpoint>(*state_);
}

void TopicEngine::checkpoint_completed() { state_->store.checkpoint_completed(); }

Status TopicEngine::load_checkpoint(std::string_view piece) {
  State& state = *state_;
  while (!piece.empty()) {
    uint8_t kind = 0;
    std::string_view block;
    if (!read_u8(piece, kind) || !read_string(piece, block)) return malformed("a block is cut short");
    if (state.has_counters != (kind != kCounters)) return malformed("the counters do not stand first");
    if (Status loaded = state.load_block(kind, block); !loaded.ok()) return loaded;
    state.has_counters = true;
  }
  return {};
}

Status TopicEngine::State::load_block(uint8_t kind, std::string_view block) {
  switch (kind) {
    case kCounters:
      if (!load_counters(block)) return malformed("the counters are malformed");
      return {};
    case kGone:
      if (!directory.load_gone(block)) return malformed("the topics that are gone are malformed");
      return {};
    case kTopic:
      if (!directory.load_topic(block)) return malformed("a topic is malformed");
      return {};
    case kDocument:
      if (!directory.load_document(block)) return malformed("a document is malformed");
      return {};
    case kPartition:
      return load_partition(block);
    case kPart:
      return load_part(block);
    default:
      return malformed("a block of an unknown kind " + std::to_string(kind));
  }
}

bool TopicEngine::State::load_counters(std::string_view block) {
  uint8_t version = 0;
  uint64_t next_version = 0;
  if (!read_u8(block, version) || version == 0 || version > kCountersVersion || !read_varint(block, next_version) ||
      next_version == 0) {
    return false;
  }
  directory.set_next_version(next_version);
  if (version == 1) return block.empty();
  uint64_t claimed = 0;
  uint64_t directory_version = 0;
  if (!read_varint(block, claimed) || claimed > INT32_MAX || !read_varint(block, directory_version)) return false;
  claim = static_cast<int32_t>(claimed);
  directory.set_version(directory_version);
  return block.empty();
}

Status TopicEngine::State::load_partition(std::string_view block) {
  PartitionId id;
  // Its id stands first.
  if (block.size() < id.topic.bytes.size()) return malformed("a partition is malformed");
  std::copy_n(block.begin(), id.topic.bytes.size(), id.topic.bytes.begin());
  std::string_view rest = block.substr(id.topic.bytes.size());
  uint64_t number = 0;
  if (!read_varint(rest, number)) return malformed("a partition is malformed");
  id.partition = static_cast<int32_t>(unzigzag(number));
  const Topic* topic = directory.find(id.topic);
  if (topic == nullptr || id.partition < 0 || id.partition >= topic->info.partition_count ||
      store.find(id) != nullptr) {
    return malformed("a partition's topic is missing, or the partition is there twice");
  }
  if (!store.obtain(id, topic->config).load(block)) return malformed("a partition is malformed");
  return {};
}

Status TopicEngine::State::load_part(std::string_view block) {
  uint8_t which = 0;
  uint8_t is_last = 0;
  if (!read_u8(block, which) || !read_u8(block, is_last) || which >= kPartCount || is_last > 1) {
    return malformed("a part is malformed");
  }
  part_bytes.append(block);
  if (is_last == 0) return {};
  const std::string bytes = std::exchange(part_bytes, {});
  return parts[which]->load(bytes);
}

void TopicEngine::reset() {
  state_->directory.clear();
  state_->claim = 0;
  state_->store.clear();
  for (auto& part : state_->parts) part->reset();
  state_->has_counters = false;
  state_->part_bytes.clear();
}

// ---- Files that go along with a checkpoint.

std::string TopicEngine::files_folder() const { return state_->store.options().folder; }

Result<std::vector<engine::OwnFile>> TopicEngine::files_of(std::string_view piece) const {
  std::vector<engine::OwnFile> files;
  std::vector<std::pair<SegmentName, uint64_t>> segments;
  while (!piece.empty()) {
    uint8_t kind = 0;
    std::string_view block;
    if (!read_u8(piece, kind) || !read_string(piece, block)) return malformed("a block is cut short");
    if (kind == kPartition && !PartitionLog::segments_of(block, segments)) return malformed("a partition is malformed");
  }
  for (const auto& [name, bytes] : segments) {
    // Compaction may have left nothing of one, which is never read then.
    if (bytes != 0 && !state_->store.options().faults.leaves_segments_behind)
      files.push_back({file_name(name, kSegmentSuffix), bytes});
  }
  return files;
}

uint64_t TopicEngine::file_bytes(std::string_view name) const {
  SegmentName segment;
  return parse_file_name(name, kSegmentSuffix, segment) ? state_->store.file_bytes(segment) : 0;
}

void TopicEngine::hold_files() { state_->store.hold_files(); }
void TopicEngine::release_files() { state_->store.release_files(); }
void TopicEngine::replaced() { state_->store.replaced(); }

// ---- Upkeep.

Status TopicEngine::settle() { return state_->store.settle(); }
size_t TopicEngine::unsettled_bytes() const { return state_->store.tail().unsettled_bytes(); }
size_t TopicEngine::cached_bytes() const { return state_->store.tail().bytes_held(); }
std::vector<PartitionId> TopicEngine::take_touched() { return state_->store.take_touched(); }
uint64_t TopicEngine::topic_changes() const { return state_->directory.topic_changes(); }
uint64_t TopicEngine::document_changes() const { return state_->directory.document_changes(); }
uint64_t TopicEngine::topic_removals() const { return state_->directory.removals(); }
std::vector<std::string> TopicEngine::take_garbage() { return state_->store.take_garbage(); }
Result<std::vector<std::string>> TopicEngine::find_strays() const { return state_->store.find_strays(); }
bool TopicEngine::are_strays_due() const { return state_->store.are_strays_due(); }
void TopicEngine::look_for_strays_again() { state_->store.look_for_strays_again(); }
bool TopicEngine::is_unused(std::string_view path) const { return state_->store.is_unused(path); }

std::vector<PartitionUpkeep> TopicEngine::partitions() const {
  std::vector<PartitionUpkeep> all;
  for (const auto& [id, log] : state_->store.logs()) {
    all.push_back(
        {id, log->bytes(), log->segments().size(), log->log_start(), log->high_watermark(), log->last_stable()});
  }
  return all;
}

std::vector<TrimPartition> TopicEngine::due_trims(int64_t now_ms) const {
  std::vector<TrimPartition> due;
  for (const auto& [id, log] : state_->store.logs()) {
    if (const auto start = due_trim(*log, now_ms); start) due.push_back({.at = id, .start = *start});
  }
  return due;
}

std::unique_ptr<Compaction> TopicEngine::next_compaction(int64_t now_ms, size_t memory_bytes, uint64_t seed) {
  const PartitionLog* neediest = nullptr;
  double need = 0;
  for (const auto& [id, log] : state_->store.logs()) {
    const auto due = due_compaction(*log, now_ms);
    if (!due || (neediest != nullptr && *due <= need)) continue;
    neediest = log.get();
    need = *due;
  }
  if (neediest == nullptr) return nullptr;
  CompactionPlan plan = plan_compaction(state_->store, *neediest, now_ms);
  plan.keys_max = memory_bytes / kCompactionBytesPerKey;
  plan.seed = seed;
  return std::make_unique<Compaction>(std::move(plan));
}

void TopicEngine::install(const Compaction& run) {
  LogStore& store = state_->store;
  PartitionLog* log = store.find(run.partition());
  if (log != nullptr) store.will_change(*log);
  for (const Compaction::Made& made : run.made()) {
    Segment with;
    with.base_offset = made.base_offset;
    with.generation = made.generation;
    with.bytes = made.bytes;
    with.first_timestamp_ms = made.first_timestamp_ms;
    with.max_timestamp_ms = made.max_timestamp_ms;
    with.max_timestamp_offset = made.max_timestamp_offset;
    if (log != nullptr && log->replace_segment(made.old_generation, with)) {
      store.discard_after_checkpoint({run.partition(), made.base_offset, made.old_generation});
      log->forget_markers(made.markers_gone);
    } else {
      store.discard({run.partition(), made.base_offset, made.generation});
    }
  }
  if (log == nullptr) return;
  if (run.clean_offset() > run.plan().clean_offset) {
    log->set_clean_offset(run.clean_offset());
  } else {
    log->no_compaction_until_ms = run.plan().now_ms + kCompactionRetryMs;
  }
}

}  // namespace keelson::topic
