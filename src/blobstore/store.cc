#include "blobstore/store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "blobstore/codec.h"
#include "blobstore/list_merge.h"
#include "blobstore/reader.h"
#include "blobstore/store_inside.h"
#include "blobstore/writer.h"
#include "shard/batch.h"
#include "shard/call_on.h"
#include "shard/loan.h"
#include "shard/record.h"
#include "shard/run_on.h"
#include "shard/visit.h"

namespace keelson::blobstore {

namespace {

// One command or query, on the way to a shard and back.
class BlobOperation final : public shard::BatchOperation {
 public:
  BlobOperation(std::span<const engine::Command> what, bool writes, Answer& answer) : sink_(answer) {
    commands = what;
    is_write = writes;
    is_ordered = true;
  }
  engine::ReplySink& open_reply() override { return sink_; }
  void finished(LogErrc result) override {
    outcome = result;
    done();
  }
  LogErrc outcome = LogErrc::kStopped;

 private:
  blob::OneAnswer sink_;
};

template <class Body>
struct Question {
  explicit Question(const Body& body) : encoded(body), operation(encoded.commands(), false, answer) {}
  Answer answer;
  blob::Encoded encoded;
  BlobOperation operation;
};

// Sends each shard its own question; the other reactors' first, so that those work while this one does. The first
// outcome that is not kOk.
template <class Body>
Task<LogErrc> ask(shard::Runtime& runtime, env::Reactor& here, const std::vector<shard::ShardId>& shards,
                  std::vector<std::unique_ptr<Question<Body>>>& questions) {
  shard::Batch batch(runtime, here);
  const auto is_here = [&](shard::ShardId id) { return runtime.router().reactor_of(id) == here.index(); };
  for (size_t i = 0; i < shards.size(); ++i) {
    if (!is_here(shards[i])) batch.add(questions[i]->operation, shards[i]);
  }
  (void)batch.run();
  for (size_t i = 0; i < shards.size(); ++i) {
    if (is_here(shards[i])) batch.add(questions[i]->operation, shards[i]);
  }
  if (!batch.is_done()) co_await batch.done();
  for (const auto& question : questions) {
    if (question->operation.outcome != LogErrc::kOk) co_return question->operation.outcome;
  }
  co_return LogErrc::kOk;
}

std::vector<shard::ShardId> all_shards(const shard::Router& router) {
  std::vector<shard::ShardId> shards;
  for (unsigned i = 0; i < router.shard_count(); ++i) {
    shards.push_back(static_cast<shard::ShardId>(router.first_shard() + i));
  }
  return shards;
}

}  // namespace

Store::Store(env::Env& env, shard::Runtime& runtime, shard::Router router, StoreOptions options)
    : router_(router), inside_(std::make_unique<Inside>(*this, env, runtime, std::move(options))) {}

Store::~Store() = default;

Task<Status> Store::start() {
  Inside& in = *inside_;
  for (unsigned i = 0; i < router_.reactor_count(); ++i) {
    in.stats.push_back(std::make_unique<StoreStats>());
    in.scopes.push_back(std::make_unique<env::TaskScope>(in.runtime.reactor(i)));
    in.beside.push_back(std::make_unique<env::TaskScope>(in.runtime.reactor(i)));
  }
  in.work.resize(shard_count());
  env::Reactor& home = in.runtime.reactor(0);
  for (shard::ShardId id : all_shards(router_)) {
    const auto local = static_cast<uint16_t>(id - router_.first_shard());
    in.volume_sets.push_back(std::make_unique<VolumeSet>(in.env.disk(), in.owner_of(id),
                                                         in.options.folder + "/" + std::to_string(local), local,
                                                         in.options.volume, *in.stats[router_.reactor_of(id)]));
    Answer answer;
    const blob::Encoded usage(blob::Usage{.bucket = 0, .with_volumes = true});
    const LogErrc asked = co_await run(home, id, usage.command(), false, answer);
    // A shard that is stopped keeps its volumes as they are; nobody will ask for them.
    if (asked == LogErrc::kDamaged) continue;
    if (asked != LogErrc::kOk) co_return fail(asked, "blob: a shard does not answer");
    Status opened = co_await shard::call_on(home, in.owner_of(id), [&] {
      in.note_live(id, answer.usage);
      return in.volumes_of(id).open(answer.usage.highest_volume, answer.usage.volume_live_bytes);
    });
    if (!opened.ok()) co_return forward_error(opened);
  }
  for (unsigned i = 0; i < router_.reactor_count(); ++i) {
    in.runtime.reactor(i).post([&in, i] { in.beside[i]->spawn(in.run_background(i)); });
  }
  co_return Status();
}

Task<void> Store::stop() {
  Inside& in = *inside_;
  in.is_stopping = true;
  env::Reactor& home = in.runtime.reactor(0);
  const auto join = [](env::TaskScope& scope) -> Task<bool> {
    co_await scope.join();
    co_return true;
  };
  for (unsigned i = 0; i < router_.reactor_count(); ++i) {
    // Joined from a scope that is not joined itself.
    env::TaskScope& waiting = *in.scopes[i];
    co_await shard::run_on(home, waiting, in.runtime.reactor(i), join(*in.beside[i]));
  }
}

shard::ShardId Store::nearest_shard(env::Reactor& here) const {
  for (shard::ShardId id : all_shards(router_)) {
    if (router_.reactor_of(id) == here.index()) return id;
  }
  return router_.first_shard();
}

Task<LogErrc> Store::run(env::Reactor& here, shard::ShardId shard, const engine::Command& command, bool is_write,
                         Answer& answer) {
  // Operations of the own reactor are submitted at once, with its log time: as of now, not as of the last batch that
  // another reactor sent.
  inside_->runtime.clock(here.index()).refresh();
  shard::Batch batch(inside_->runtime, here);
  BlobOperation operation({&command, 1}, is_write, answer);
  batch.add(operation, shard);
  if (!batch.run()) co_await batch.done();
  co_return operation.outcome;
}

// Alone with every shard, so all agree on the buckets. A command that the state refuses is refused alike by all; what
// only one shard may refuse (a bucket that is not empty there) is asked first.
Task<LogErrc> Store::run_on_all(env::Reactor& here, const engine::Command& command, Answer& answer) {
  shard::Loan loan = co_await shard::Loan::take(inside_->runtime, here, all_shards(router_));
  if (loan.damage() != nullptr) co_return LogErrc::kDamaged;
  const std::span<const engine::Command> commands(&command, 1);
  if (const LogErrc room = loan.admit(shard::encoded_bytes_max(commands) * loan.shards().size());
      room != LogErrc::kOk) {
    co_return room;
  }
  if (static_cast<blob::Code>(command.code) == blob::Code::kDeleteBucket) {
    blob::DeleteBucket body;
    if (command.args.size() != 1 || !decode(command.args[0], body)) {
      answer.error = blob::BlobErrc::kInvalid;
      co_return LogErrc::kOk;
    }
    const blob::Encoded usage(blob::Usage{.bucket = body.bucket, .with_volumes = false});
    for (shard::ShardId id : loan.shards()) {
      Answer figures;
      blob::OneAnswer sink(figures);
      loan.shard(id).engine().query({}, usage.command(), sink);
      answer.error = figures.ok() && figures.usage.versions != 0 ? blob::BlobErrc::kBucketNotEmpty : figures.error;
      if (!answer.ok()) co_return LogErrc::kOk;
    }
  }
  std::vector<shard::Loan::Part> parts;
  for (shard::ShardId id : loan.shards()) parts.push_back({id, commands});
  const LogErrc outcome = co_await loan.commit(parts);
  if (outcome != LogErrc::kOk) co_return outcome;
  for (shard::ShardId id : loan.shards()) {
    Answer here_answer;
    blob::OneAnswer sink(here_answer);
    const uint64_t index = loan.shard(id).applied_index();
    loan.shard(id).engine().apply({index, loan.time_ms(), shard::seed_of(id, index, 0)}, command, sink);
    std::vector<blob::Extent> dead = std::move(answer.dead);
    dead.insert(dead.end(), here_answer.dead.begin(), here_answer.dead.end());
    answer = std::move(here_answer);
    answer.dead = std::move(dead);
  }
  co_return LogErrc::kOk;
}

Task<std::shared_ptr<const blob::Bucket>> Store::find_bucket(env::Reactor& here, std::string name) {
  Answer answer;
  const blob::Encoded encoded(blob::FindBucket{.name = std::move(name), .bucket = 0});
  const LogErrc outcome = co_await run(here, nearest_shard(here), encoded.command(), false, answer);
  if (outcome != LogErrc::kOk || answer.buckets.empty()) co_return nullptr;
  co_return std::move(answer.buckets.front());
}

Task<LogErrc> Store::list(env::Reactor& here, blob::ListObjects what, Answer& answer) {
  if (what.count_max == 0) co_return LogErrc::kOk;
  ListMerger merger(std::move(what), shard_count());
  for (bool is_first = true; !merger.step(); is_first = false) {
    // One round a turn: others get theirs meanwhile.
    if (!is_first) co_await env::sleep_for(here, 0);
    const std::vector<size_t> wanted = merger.wanted();
    std::vector<shard::ShardId> shards;
    std::vector<std::unique_ptr<Question<blob::ListObjects>>> questions;
    for (size_t local : wanted) {
      shards.push_back(static_cast<shard::ShardId>(router_.first_shard() + local));
      questions.push_back(std::make_unique<Question<blob::ListObjects>>(merger.request(local)));
    }
    const LogErrc outcome = co_await ask(inside_->runtime, here, shards, questions);
    if (outcome != LogErrc::kOk) co_return outcome;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!questions[i]->answer.ok()) {
        answer.error = questions[i]->answer.error;
        co_return LogErrc::kOk;
      }
      merger.give(wanted[i], std::move(questions[i]->answer.page));
    }
  }
  answer.page = merger.take();
  co_return LogErrc::kOk;
}

Task<LogErrc> Store::list_uploads(env::Reactor& here, blob::ListUploads what, Answer& answer) {
  if (what.count_max == 0) co_return LogErrc::kOk;
  const std::vector<shard::ShardId> shards = all_shards(router_);
  std::vector<std::unique_ptr<Question<blob::ListUploads>>> questions;
  for (size_t i = 0; i < shards.size(); ++i) {
    questions.push_back(std::make_unique<Question<blob::ListUploads>>(what));
  }
  const LogErrc outcome = co_await ask(inside_->runtime, here, shards, questions);
  if (outcome != LogErrc::kOk) co_return outcome;
  // A shard that has more gave count_max of its own, so the first count_max of all are among what was given.
  struct Item {
    std::string name;
    const blob::UploadInfo* upload;
  };
  std::vector<Item> items;
  for (const auto& question : questions) {
    answer.error = question->answer.error;
    if (!answer.ok()) co_return LogErrc::kOk;
    answer.is_truncated |= question->answer.is_truncated;
    for (const blob::UploadInfo& upload : question->answer.uploads) items.push_back({upload.key, &upload});
    for (const std::string& prefix : question->answer.prefixes) items.push_back({prefix, nullptr});
  }
  std::ranges::sort(items, [](const Item& a, const Item& b) {
    if (a.name != b.name) return a.name < b.name;
    return a.upload != nullptr && b.upload != nullptr && a.upload->id < b.upload->id;
  });
  for (const Item& item : items) {
    if (item.upload == nullptr && !answer.prefixes.empty() && answer.prefixes.back() == item.name) continue;
    if (answer.uploads.size() + answer.prefixes.size() == what.count_max) {
      answer.is_truncated = true;
      break;
    }
    item.upload == nullptr ? answer.prefixes.push_back(item.name) : answer.uploads.push_back(*item.upload);
  }
  co_return LogErrc::kOk;
}

Task<LogErrc> Store::usage(env::Reactor& here, BucketId bucket, Answer& answer) {
  const std::vector<shard::ShardId> shards = all_shards(router_);
  std::vector<std::unique_ptr<Question<blob::Usage>>> questions;
  for (size_t i = 0; i < shards.size(); ++i) {
    questions.push_back(std::make_unique<Question<blob::Usage>>(blob::Usage{.bucket = bucket, .with_volumes = false}));
  }
  const LogErrc outcome = co_await ask(inside_->runtime, here, shards, questions);
  if (outcome != LogErrc::kOk) co_return outcome;
  for (const auto& question : questions) {
    answer.error = question->answer.error;
    if (!answer.ok()) break;
    const blob::UsageInfo& of_shard = question->answer.usage;
    answer.usage.versions += of_shard.versions;
    answer.usage.delete_markers += of_shard.delete_markers;
    answer.usage.payload_bytes += of_shard.payload_bytes;
    answer.usage.uploads += of_shard.uploads;
    answer.usage.upload_bytes += of_shard.upload_bytes;
    answer.usage.index_bytes += of_shard.index_bytes;
  }
  co_return LogErrc::kOk;
}

std::unique_ptr<BlobWriter> Store::new_writer(env::Reactor& here, BucketId bucket, std::string_view key,
                                              WriterOptions options) {
  const uint64_t owner = blob::owner_of_object(bucket, key);
  const WriterOptions as_stored{.size_expected = stored_bytes_expected(options), .is_part = options.is_part};
  auto writer = std::make_unique<Writer>(*inside_, here, shard_of(bucket, key), owner, as_stored);
  return encode_into(std::move(writer), options, owner, here.random());
}

Task<Opened> Store::open_object(env::Reactor& here, blob::HeadObject what) {
  Opened opened;
  const shard::ShardId id = shard_of(what.bucket, what.key);
  const blob::Encoded encoded(what);
  std::unique_ptr<Reader> reader;
  // The query and the pins in one step, so that no volume goes in between.
  opened.outcome = co_await shard::visit(inside_->runtime, here, id, [&](shard::Shard& target) {
    if (target.damage()) return LogErrc::kDamaged;
    blob::OneAnswer sink(opened.answer);
    target.engine().query({}, encoded.command(), sink);
    if (!opened.answer.ok()) return LogErrc::kOk;
    reader = std::make_unique<Reader>(*inside_, here, id, blob::owner_of_object(what.bucket, what.key),
                                      stored_payload(opened.answer.object.meta.payload));
    reader->pin_and_prefetch();
    return LogErrc::kOk;
  });
  if (reader != nullptr) {
    opened.reader =
        decode_from(std::move(reader), opened.answer.object.meta.payload, blob::owner_of_object(what.bucket, what.key));
  }
  co_return opened;
}

Task<Opened> Store::open_payload(env::Reactor& here, BucketId bucket, std::string key, Payload payload) {
  Opened opened;
  const shard::ShardId id = shard_of(bucket, key);
  const uint64_t owner = blob::owner_of_object(bucket, key);
  auto reader = std::make_unique<Reader>(*inside_, here, id, owner, stored_payload(payload));
  co_await shard::call_on(here, inside_->owner_of(id), [&] { reader->pin_and_prefetch(); });
  opened.reader = decode_from(std::move(reader), payload, owner);
  co_return opened;
}

void Store::hold_volumes() { inside_->held.fetch_add(1, std::memory_order_relaxed); }
void Store::release_volumes() { inside_->held.fetch_sub(1, std::memory_order_relaxed); }

Task<Status> Store::compact_now() {
  Inside& in = *inside_;
  Status outcome;
  for (shard::ShardId id : all_shards(router_)) {
    env::Reactor& owner = in.owner_of(id);
    co_await shard::call_on(in.runtime.reactor(0), owner, [&] { in.volumes_of(id).seal_active(); });
    Status done = co_await shard::run_on(in.runtime.reactor(0), in.scope_of(id), owner, in.compact(id));
    if (outcome.ok() && !done.ok()) outcome = std::move(done);
  }
  co_return outcome;
}

Task<Result<Store::ScrubReport>> Store::scrub_now() {
  Inside& in = *inside_;
  ScrubReport report;
  for (shard::ShardId id : all_shards(router_)) {
    Status done = co_await shard::run_on(in.runtime.reactor(0), in.scope_of(id), in.owner_of(id), in.scrub(id, report));
    if (!done.ok()) co_return forward_error(done);
  }
  co_return report;
}

const StoreStats& Store::stats(unsigned reactor_index) const { return *inside_->stats[reactor_index]; }

void Store::Inside::unpin(shard::ShardId id, std::vector<uint32_t> volumes) {
  if (volumes.empty() || runtime.is_abandoned()) return;
  env::Reactor& owner = owner_of(id);
  const auto give_back = [&set = volumes_of(id)](const std::vector<uint32_t>& pinned) {
    for (uint32_t volume : pinned) set.unpin(volume);
  };
  if (owner.is_current()) {
    give_back(volumes);
  } else {
    owner.post([give_back, pinned = std::move(volumes)] { give_back(pinned); });
  }
}

}  // namespace keelson::blobstore
