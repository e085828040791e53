// How a session takes the commands that it has read: which run at once, which wait, which are refused.

#include <algorithm>
#include <utility>

#include "base/crc16.h"
#include "engine/kv/big_object.h"
#include "engine/kv/keyspace.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/lent_commands.h"
#include "protocol/resp/monitor_feed.h"
#include "protocol/resp/refusals.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_batch.h"
#include "protocol/resp/shard_agent.h"
#include "protocol/resp/slowlog.h"

namespace keelson::resp {

namespace {
// Commands under way at once for one connection.
constexpr size_t kBatchOperationsMax = 1024;
constexpr int64_t kPausePollNs = 5'000'000;
constexpr size_t kSideBufferBytesKept = size_t{256} << 10;
// Different error codes that INFO errorstats keeps.
constexpr size_t kErrorCodesMax = 128;

// What is not queued while MULTI is open.
bool runs_inside_transaction(const kv::CommandSpec& spec) {
  const std::string_view name = spec.name;
  return name == "EXEC" || name == "DISCARD" || name == "MULTI" || name == "WATCH" || name == "QUIT" || name == "RESET";
}
}  // namespace

void SessionOperation::prepare(Session& session, const kv::CommandSpec& spec, uint16_t database, kv::Args args,
                               bool is_direct, uint16_t slot) {
  session_ = &session;
  spec_ = &spec;
  slot_ = slot;
  command_ = {spec.code, database, args};
  commands = {&command_, 1};
  is_write = kv::is_write(spec);
  // The connection's own writes may still wait for their commit.
  is_ordered = !is_direct;
  is_stale = session.client().is_readonly;
  is_direct_ = is_direct;
  is_inline = is_direct;
  is_finished_ = false;
  is_refused_ = false;
  is_muted = false;
}

void SessionOperation::prepare_for(shard::ShardId other) {
  shard_id = other;
  is_direct_ = false;
  is_inline = false;
  is_finished_ = false;
  is_refused_ = false;
  size_ = 0;
}

engine::ReplySink& SessionOperation::open_reply() {
  if (!is_inline) begun_ns_ = session_->service_.reactor(reactor_index()).clock().monotonic_ns();
  if (is_direct_) {
    errors_before_ = session_->writer_.error_count();
    return session_->writer_;
  }
  SessionBatch::Side& side = *session_->batch_->sides[reactor_index()];
  offset_ = side.bytes.size();
  return side.writer;
}

void SessionOperation::finished(shard::LogErrc outcome) {
  if (outcome == shard::LogErrc::kNotOwner && !is_inline) {
    // The session decides, once it is back.
    is_refused_ = is_finished_ = true;
    size_ = 0;
    duration_ns_ = 0;
    done();
    return;
  }
  if (outcome != shard::LogErrc::kOk) {
    static_cast<kv::ReplySink&>(open_reply()).error(session_->refusal(outcome, slot(), shard_id));
  }
  if (!is_inline) duration_ns_ = session_->service_.reactor(reactor_index()).clock().monotonic_ns() - begun_ns_;
  if (!is_direct_) {
    size_ = session_->batch_->sides[reactor_index()]->bytes.size() - offset_;
  } else if (const RespWriter& writer = session_->writer_; writer.error_count() != errors_before_) {
    session_->count_error(*spec_, writer.last_error_code());
  }
  is_finished_ = true;
  done();
}

std::string_view SessionOperation::answer() const {
  if (is_direct_) return {};
  return session_->batch_->sides[reactor_index()]->bytes.view().substr(offset_, size_);
}

SessionBatch::SessionBatch(shard::Runtime& runtime, env::Reactor& here) : batch(runtime, here) {
  for (unsigned i = 0; i < runtime.router().reactor_count(); ++i) sides.push_back(std::make_unique<Side>());
}

void SessionOperation::prefetch(shard::Shard& shard, unsigned step) {
  if (!kv::has_single_key(*spec_)) return;
  const kv::Keyspace& keyspace = session_->service_.agent(shard.id()).keyspace();
  if (step == 0) {
    key_hash_ = keyspace.prefetch(command_.space, command_.args[static_cast<size_t>(spec_->keys.first)]);
  } else {
    keyspace.prefetch_entry(command_.space, key_hash_);
  }
}

// Before commands that nothing of this connection ran right before.
void Session::look_at_clock() {
  // In a row, one session begins when another has ended.
  turn_ns_ = local_.row_ns != 0 ? local_.row_ns : reactor().clock().monotonic_ns();
  client_.last_command_ns = turn_ns_;
  if (local_.row_ns != 0 && turn_ns_ - local_.row_clock_ns < kClockAgeNsMax) {
    looked_at_clock_ns_ = local_.row_clock_ns;
    return;
  }
  looked_at_clock_ns_ = local_.row_clock_ns = turn_ns_;
  service_.runtime().clock(reactor().index()).refresh(turn_ns_);
}

Session::Next Session::run_input() {
  if (std::exchange(is_clock_due_, true)) look_at_clock();
  const Next next = take_all();
  end_group();
  return next;
}

Session::Next Session::take_all() {
  const bool is_known_to_be_all = std::exchange(has_looked_ahead_, false) && ahead_next_ == ahead_end_;
  while (!is_closing_ && !is_killed_) {
    if (output_buffered_bytes() > kOutputPauseBytes) return Next::kDrain;
    if (ahead_next_ == ahead_end_) end_group();
    if (ahead_next_ == ahead_end_ && (is_known_to_be_all || !look_ahead())) {
      if (is_batch_under_way()) return Next::kBatch;
      if (ahead_parsed_ == Parsed::kNeedMore) return Next::kInput;
      ++local_.counters.protocol_errors;
      writer_.error(parser_.error());
      is_closing_ = true;
      break;
    }
    const Taken& taken = ahead_taken_[ahead_next_++];
    if (group_count_ != 0 && (taken.spec != group_spec_ || taken.args.size() > kGroupArgsMax)) end_group();
    const Next next = take(taken);
    if (next != Next::kInput) return next;
  }
  return Next::kEnd;
}

// Reads the next few commands and starts to fetch what they will look at. False if there is none.
bool Session::look_ahead() {
  ahead_next_ = 0;
  ahead_end_ = 0;
  no_group_until_ = 0;
  // AUTH changes what the commands behind it may be.
  const size_t most = client_.is_authenticated ? kReadAhead : 1;
  parser_.set_limits({.bulk_bytes_max = config().proto_max_bulk_bytes, .is_authenticated = client_.is_authenticated});
  while (ahead_end_ < most) {
    ahead_parsed_ = parser_.next(input_.view());
    if (ahead_parsed_ != Parsed::kCommand) break;
    Taken& taken = ahead_taken_[ahead_end_++];
    taken.args = parser_.args();
    taken.spec = kv::find_command(taken.args[0]);
    taken.has_key = taken.spec != nullptr && kv::has_single_key(*taken.spec) &&
                    taken.args.size() > static_cast<size_t>(taken.spec->keys.first);
    if (taken.has_key) {
      const std::string_view key = taken.key();
      const Taken* before = ahead_end_ > 1 ? &taken - 1 : nullptr;
      taken.is_same_key = before != nullptr && before->has_key && before->key() == key;
      if (service_.is_cluster()) {
        taken.slot = taken.is_same_key ? before->slot : key_slot(key);
        taken.shard = service_.router().shard_of_slot(taken.slot);
      } else {
        taken.shard = taken.is_same_key ? before->shard : service_.router().shard_of(key);
      }
    }
  }
  if (ahead_end_ > 1) prefetch_ahead();
  return ahead_end_ != 0;
}

// A shard of another reactor, or one that is lent, must not be looked at from here.
bool Session::may_look_at(const Taken& taken) const {
  return taken.has_key && service_.router().reactor_of(taken.shard) == local_.reactor.index() &&
         !service_.runtime().shard(taken.shard).is_lent();
}

// Step by step for all of them, so that the machine waits for several lines of memory at the same time.
void Session::prefetch_ahead() {
  bool has_members = false;
  for (size_t i = 0; i < ahead_end_; ++i) {
    Taken& taken = ahead_taken_[i];
    if (!may_look_at(taken)) continue;
    has_members |= kv::member_argument(*taken.spec) != 0;
    taken.key_hash = taken.is_same_key ? ahead_taken_[i - 1].key_hash
                                       : service_.agent(taken.shard).keyspace().prefetch(client_.database, taken.key());
  }
  for (size_t i = 0; i < ahead_end_; ++i) {
    const Taken& taken = ahead_taken_[i];
    if (taken.is_same_key || !may_look_at(taken)) continue;
    service_.agent(taken.shard).keyspace().prefetch_entry(client_.database, taken.key_hash);
  }
  if (has_members) prefetch_members();
}

// Fields of hashes, members of sets and sorted sets: those that are large enough to be looked up in a table.
void Session::prefetch_members() {
  for (size_t i = 0; i < ahead_end_; ++i) {
    Taken& taken = ahead_taken_[i];
    taken.object = nullptr;
    if (!may_look_at(taken)) continue;
    const size_t member = kv::member_argument(*taken.spec);
    if (member == 0 || member >= taken.args.size()) continue;
    const Taken* before = taken.is_same_key ? &ahead_taken_[i - 1] : nullptr;
    taken.object =
        before != nullptr && before->object != nullptr
            ? before->object
            : service_.agent(taken.shard).keyspace().large_object(client_.database, taken.key(), taken.key_hash);
    if (taken.object != nullptr) taken.member_hash = kv::prefetch_member(*taken.object, taken.args[member]);
  }
  for (size_t i = 0; i < ahead_end_; ++i) {
    const Taken& taken = ahead_taken_[i];
    if (taken.object != nullptr) kv::prefetch_member_node(*taken.object, taken.member_hash);
  }
}

bool Session::prefetch_first() {
  Taken& taken = ahead_taken_[0];
  if (!may_look_at(taken)) return false;
  taken.key_hash = service_.agent(taken.shard).keyspace().prefetch(client_.database, taken.key());
  return true;
}

void Session::prefetch_first_entry() {
  const Taken& taken = ahead_taken_[0];
  if (may_look_at(taken)) service_.agent(taken.shard).keyspace().prefetch_entry(client_.database, taken.key_hash);
}

bool Session::is_batch_under_way() {
  if (batch_ == nullptr) return false;
  for (;;) {
    if (!batch_->batch.run()) return true;
    const Follow follow = follow_slots();
    if (follow == Follow::kWait) return true;
    if (follow == Follow::kNothing) break;
  }
  batch_ended();
  return false;
}

// Nothing stands in the command's way.
bool Session::is_plain(const kv::CommandSpec& spec) const {
  return spec.home == kv::Home::kEngine && !transaction_.is_open && client_.is_authenticated &&
         subscriptions_.count() == 0 && local_.paused_until_ns == 0 &&
         (config().maxmemory_bytes == 0 || (spec.flags & kv::kDenyOom) == 0) && local_.monitor_count == 0 &&
         !kv::is_internal(spec) && !(service_.is_cluster() && is_barred_in_cluster(spec));
}

// Looks at one command. kInput: it has been dealt with, or added to the batch, and the next one can be taken.
Session::Next Session::take(const Taken& taken) {
  const kv::Args args = taken.args;
  const kv::CommandSpec* spec = taken.spec;
  if (spec != nullptr && is_plain(*spec) && kv::arity_fits(*spec, args.size())) return take_keyed(*spec, taken);

  // Everything else is answered by itself, after what came before.
  if (is_batch_under_way()) return take_again(Next::kBatch);
  if (spec != nullptr && args.size() > 1) {
    if (const kv::CommandSpec* sub = kv::find_subcommand(*spec, args[1])) spec = sub;
  }
  if (refuse(spec, args)) return Next::kInput;
  if (is_paused(*spec)) return take_again(Next::kPause);
  if (local_.monitor_count != 0) feed_monitors(*this, *spec, args);
  if (transaction_.is_open && !runs_inside_transaction(*spec)) {
    enqueue_in_transaction(*spec, args);
    return Next::kInput;
  }
  if (spec->home == kv::Home::kEngine) return take_keyed(*spec, taken);
  return take_alone(*spec, args);
}

Session::Next Session::take_again(Next after) {
  --ahead_next_;
  return after;
}

Session::Next Session::take_alone(const kv::CommandSpec& spec, kv::Args args) {
  if (is_batch_under_way()) return take_again(Next::kBatch);
  if (const QuickHandler quick = quick_session_handler(spec.code);
      quick != nullptr && client_.reply_mode == ReplyMode::kOn) {
    run_quick(quick, spec, args);
    return Next::kInput;
  }
  alone_ = &spec;
  alone_args_ = args;
  return group_end(spec) > ahead_next_ ? Next::kGroup : Next::kAlone;
}

void Session::run_quick(QuickHandler handler, const kv::CommandSpec& spec, kv::Args args) {
  ++client_.commands;
  client_.last_command = &spec;
  const uint64_t errors_before = writer_.error_count();
  handler(*this, args);
  if (writer_.error_count() != errors_before) count_error(spec, writer_.last_error_code());
  note_time(spec, args);
}

bool Session::is_timed_in_group(const kv::CommandSpec& spec, kv::Args args) const {
  const int64_t slow_us = config().slowlog_slower_than_us;
  return ahead_end_ > 1 && (spec.flags & kv::kFast) != 0 && args.size() <= kGroupArgsMax &&
         (slow_us < 0 || slow_us >= kGroupSlowUsMin);
}

// The command that began at turn_ns_ has ended; the next begins now.
void Session::note_time(const kv::CommandSpec& spec, kv::Args args) {
  if (is_timed_in_group(spec, args)) {
    if (group_spec_ != &spec) end_group();
    group_spec_ = &spec;
    ++group_count_;
    return;
  }
  const int64_t now_ns = reactor().clock().monotonic_ns();
  note_call(spec, args, now_ns - turn_ns_);
  turn_ns_ = now_ns;
  if (local_.row_ns != 0) local_.row_ns = now_ns;
}

// Each of the group has taken its share of the time. None of them is slow enough for the slow log, unless the machine
// was away; LATENCY is told the time of all, which no one of them has exceeded.
void Session::end_group() {
  if (group_count_ == 0) return;
  const int64_t now_ns = reactor().clock().monotonic_ns();
  const int64_t took_ns = std::max<int64_t>(now_ns - turn_ns_, 0);
  local_.counters.commands_processed += group_count_;
  local_.stats->called_many(group_spec_->code, group_count_, static_cast<uint64_t>(took_ns) / group_count_);
  report_latency(service_, local_, "fast-command", took_ns);
  group_spec_ = nullptr;
  group_count_ = 0;
  turn_ns_ = now_ns;
  if (local_.row_ns != 0) local_.row_ns = now_ns;
}

Session::Next Session::take_keyed(const kv::CommandSpec& spec, const Taken& taken) {
  const kv::Args args = taken.args;
  // A subcommand (OBJECT ENCODING) has its key elsewhere than its container.
  const bool is_known = taken.has_key && &spec == taken.spec;
  std::optional<shard::ShardId> shard;
  if (!is_known) {
    shard = single_shard_of(service_.router(), spec, args, local_.key_indexes);
  } else {
    // The slot may have moved since the command was read.
    shard = service_.is_cluster() ? service_.router().shard_of_slot(taken.slot) : taken.shard;
  }
  if (!is_known && service_.is_cluster() && crosses_slots(spec, args)) {
    if (is_batch_under_way()) return take_again(Next::kBatch);
    reject(&spec, kErrCrossSlot);
    return Next::kInput;
  }
  if (!shard) return take_alone(spec, args);
  if (batch_ == nullptr) acquire_batch();
  SessionBatch& batch = *batch_;
  // Straight into the output only on this thread: another reactor's would race with a flush at the end of this turn.
  const bool is_here = service_.router().reactor_of(*shard) == reactor().index();
  const bool is_first = batch.batch.is_done();
  const bool is_direct = is_here && is_first && client_.reply_mode == ReplyMode::kOn;
  if (batch.used == batch.operations.size()) batch.operations.emplace_back();
  SessionOperation& operation = batch.operations[batch.used];
  uint16_t slot = 0;
  if (service_.is_cluster()) slot = is_known ? taken.slot : slot_of(spec, args);
  operation.prepare(*this, spec, client_.database, args, is_direct, slot);
  operation.shard_id = *shard;
  // Nothing of this connection is under way that it would have to wait for.
  if (is_first) operation.is_ordered = false;
  operation.is_muted = client_.reply_mode == ReplyMode::kOff || client_.reply_mode == ReplyMode::kSkipping;
  ++client_.commands;
  client_.last_command = &spec;
  batch.batch.add(operation, *shard);
  if (is_direct && operation.is_finished()) {
    note_time(spec, args);
    return Next::kInput;
  }
  operation.is_inline = false;
  if (client_.reply_mode == ReplyMode::kSkipping) client_.reply_mode = ReplyMode::kOn;
  ++batch.used;
  return batch.used == kBatchOperationsMax ? Next::kBatch : Next::kInput;
}

// Puts the answers that were written aside behind those that were not.
void Session::batch_ended() {
  SessionBatch& batch = *batch_;
  for (size_t i = 0; i < batch.used; ++i) {
    const SessionOperation& operation = batch.operations[i];
    if (operation.is_refused()) {
      const std::string error = refusal(shard::LogErrc::kNotOwner, operation.slot(), operation.shard_id);
      count_error(operation.spec(), std::string_view(error).substr(0, error.find(' ')));
      if (!operation.is_muted) writer_.error(error);
      note_call(operation.spec(), operation.args(), 0);
      continue;
    }
    const std::string_view answer = operation.answer();
    if (answer.starts_with('-')) count_error(operation.spec(), answer.substr(1, answer.find(' ') - 1));
    if (!operation.is_muted) output_.append(answer);
    note_call(operation.spec(), operation.args(), operation.duration_ns());
  }
  batch.used = 0;
  batch.rounds = 0;
  for (auto& side : batch.sides) {
    side->bytes.clear();
    side->bytes.shrink_if_empty(kSideBufferBytesKept);
  }
  turn_ns_ = reactor().clock().monotonic_ns();
  local_.idle_batches.push_back(std::move(batch_));
}

void Session::acquire_batch() {
  if (local_.idle_batches.empty()) {
    batch_ = std::make_unique<SessionBatch>(service_.runtime(), reactor());
  } else {
    batch_ = std::move(local_.idle_batches.back());
    local_.idle_batches.pop_back();
  }
  for (auto& side : batch_->sides) side->writer.set_resp3(writer_.is_resp3());
}

void Session::note_call(const kv::CommandSpec& spec, kv::Args args, int64_t duration_ns) {
  ++local_.counters.commands_processed;
  local_.stats->called(spec.code, static_cast<uint64_t>(std::max<int64_t>(duration_ns, 0)));
  if ((spec.flags & kv::kSkipSlowlog) == 0) report_slow_command(*this, args, duration_ns);
  report_latency(service_, local_, (spec.flags & kv::kFast) != 0 ? "fast-command" : "command", duration_ns);
}

void Session::count_error(const kv::CommandSpec& spec, std::string_view code) {
  local_.stats->failed(spec.code);
  ++local_.counters.error_replies;
  count_error_code(code);
}

void Session::count_error_code(std::string_view code) {
  const auto found = local_.errors_by_code.find(code);
  if (found != local_.errors_by_code.end()) {
    ++found->second;
  } else if (local_.errors_by_code.size() < kErrorCodesMax) {
    local_.errors_by_code.emplace(code, 1);
  }
}

bool Session::is_paused(const kv::CommandSpec& spec) const {
  if (local_.paused_until_ns == 0 || local_.reactor.clock().monotonic_ns() >= local_.paused_until_ns) return false;
  if (!local_.pause_writes_only) return spec.name != "CLIENT|UNPAUSE";
  return (spec.flags & (kv::kWrite | kv::kMayReplicate)) != 0 || spec.name == "EXEC";
}

Task<void> Session::wait_for_pause() {
  flush();
  const int64_t left_ns = local_.paused_until_ns - reactor().clock().monotonic_ns();
  if (left_ns > 0) co_await env::sleep_for(reactor(), std::min(left_ns, kPausePollNs));
}

Task<void> Session::run_alone() {
  const kv::CommandSpec& spec = *std::exchange(alone_, nullptr);
  const kv::Args args = std::exchange(alone_args_, {});
  ++client_.commands;
  client_.last_command = &spec;
  const uint64_t errors_before = writer_.error_count();
  // Not cut off afterwards: part of it may have been sent by then.
  Buffer unwanted;
  const bool is_muted = client_.reply_mode == ReplyMode::kOff || client_.reply_mode == ReplyMode::kSkipping;
  const bool ends_skip = client_.reply_mode == ReplyMode::kSkipping;
  if (is_muted) writer_.set_target(unwanted);
  is_in_handler_ = true;
  if (spec.home == kv::Home::kSession) {
    co_await session_handler(spec.code)(*this, args);
  } else {
    co_await run_keyed(spec, args, writer_);
  }
  is_in_handler_ = false;
  writer_.set_target(output_);
  // CLIENT REPLY ON and RESET have turned answers on again, and theirs is the first.
  if (is_muted && !ends_skip && client_.reply_mode == ReplyMode::kOn) output_.append(unwanted.view());
  if (ends_skip) {
    client_.reply_mode = ReplyMode::kOn;
  } else if (client_.reply_mode == ReplyMode::kSkipNext) {
    client_.reply_mode = ReplyMode::kSkipping;
  }
  if (writer_.error_count() != errors_before) count_error(spec, writer_.last_error_code());
  if (!pushes_.empty()) {
    output_.append(pushes_.view());
    pushes_ = Buffer();
  }
  const int64_t now_ns = reactor().clock().monotonic_ns();
  const bool waits_for_others = (spec.flags & kv::kBlocking) != 0;
  note_call(spec, args, waits_for_others ? 0 : now_ns - turn_ns_);
  turn_ns_ = now_ns;
  if (local_.row_ns != 0) local_.row_ns = now_ns;
  is_clock_due_ = now_ns - looked_at_clock_ns_ >= kClockAgeNsMax;
}

// Behind the last of the commands that have been read and may run under one loan with the one that was just taken.
size_t Session::group_end(const kv::CommandSpec& spec) const {
  size_t end = ahead_next_;
  // In a cluster each has a slot of its own.
  if (service_.is_cluster() || !is_bounded_by_arguments(spec) || !is_plain(spec) ||
      client_.reply_mode != ReplyMode::kOn || ahead_next_ <= no_group_until_) {
    return end;
  }
  size_t args = alone_args_.size();
  while (end < ahead_end_ && ahead_taken_[end].spec == &spec && kv::arity_fits(spec, ahead_taken_[end].args.size())) {
    args += ahead_taken_[end].args.size();
    if (args > kLoanArgsMax) break;
    ++end;
  }
  return end;
}

// One loan, one record, and as many answers as there are commands: what is taken from other reactors costs two messages
// however many commands use it.
Task<void> Session::run_group() {
  const kv::CommandSpec& spec = *alone_;
  const size_t begin = ahead_next_ - 1;
  const size_t end = group_end(spec);
  std::vector<shard::ShardId> shards;
  for (size_t i = begin; i < end; ++i) {
    const std::vector<shard::ShardId> some = shards_of(service_.router(), spec, ahead_taken_[i].args);
    shards.insert(shards.end(), some.begin(), some.end());
  }
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  shard::LogErrc outcome = shard::LogErrc::kOk;
  // Nobody is told before the write is committed.
  Buffer held;
  RespWriter writer(held, writer_.is_resp3());
  std::vector<std::string> error_codes;
  {
    shard::Loan loan = co_await lend(service_, reactor(), std::move(shards), shard::LoanUse::kWrite);
    LentCommands commands(service_, loan);
    for (size_t i = begin; i < end && outcome == shard::LogErrc::kOk; ++i) {
      outcome = commands.admit(spec, client_.database, ahead_taken_[i].args);
    }
    if (outcome == shard::LogErrc::kOk) {
      for (size_t i = begin; i < end; ++i) {
        const uint64_t errors_before = writer.error_count();
        commands.run(spec, client_.database, ahead_taken_[i].args, writer);
        if (writer.error_count() != errors_before) error_codes.emplace_back(writer.last_error_code());
      }
      outcome = co_await commands.commit();
    }
  }
  if (outcome != shard::LogErrc::kOk) {
    // One of them may be too large, or its shard damaged: each gets an answer of its own.
    no_group_until_ = end;
    co_return co_await run_alone();
  }
  alone_ = nullptr;
  alone_args_ = {};
  ahead_next_ = end;
  client_.commands += end - begin;
  client_.last_command = &spec;
  writer_.raw(held.view());
  for (const std::string& code : error_codes) count_error(spec, code);
  const int64_t now_ns = reactor().clock().monotonic_ns();
  const int64_t each_ns = (now_ns - turn_ns_) / static_cast<int64_t>(end - begin);
  for (size_t i = begin; i < end; ++i) note_call(spec, ahead_taken_[i].args, each_ns);
  turn_ns_ = now_ns;
  if (local_.row_ns != 0) local_.row_ns = now_ns;
  is_clock_due_ = now_ns - looked_at_clock_ns_ >= kClockAgeNsMax;
}

Task<void> Session::run_keyed(const kv::CommandSpec& spec, kv::Args args, RespWriter& reply) {
  if (held_ != nullptr) {
    held_->run(spec, client_.database, args, reply);
    co_return;
  }
  if (service_.is_cluster() && (kv::is_write(spec) || !is_on_every_shard(spec))) {
    co_await run_in_cluster(spec, args, reply);
    co_return;
  }
  if (!kv::is_write(spec)) {
    co_await query_keyed(spec, args, reply);
    co_return;
  }
  shard::Loan loan =
      co_await lend(service_, reactor(), shards_of(service_.router(), spec, args), shard::LoanUse::kWrite);
  LentCommands commands(service_, loan);
  // Nobody is told before the write is committed.
  Buffer held;
  RespWriter writer(held, reply.is_resp3());
  shard::LogErrc outcome = commands.admit(spec, client_.database, args);
  if (outcome == shard::LogErrc::kOk) {
    commands.run(spec, client_.database, args, writer);
    outcome = co_await commands.commit();
  }
  if (outcome != shard::LogErrc::kOk) {
    reply.error(refusal_text(outcome));
  } else if (held.view().starts_with('-')) {
    // Through error(), which counts it.
    reply.error(held.view().substr(1, held.size() - 3));
  } else {
    reply.raw(held.view());
  }
}

Task<void> Session::query_keyed(const kv::CommandSpec& spec, kv::Args args, kv::ReplySink& reply) {
  if (held_ != nullptr) {
    held_->run(spec, client_.database, args, reply);
    co_return;
  }
  std::vector<shard::ShardId> shards = co_await shards_to_ask(spec, args);
  const shard::ShardId first = shards.empty() ? shard::ShardId{0} : shards.front();
  shard::Loan loan = co_await lend(service_, reactor(), std::move(shards), use_for_reading());
  LentCommands commands(service_, loan);
  const shard::LogErrc outcome = commands.admit(spec, client_.database, args);
  if (outcome == shard::LogErrc::kOk) {
    commands.run(spec, client_.database, args, reply);
  } else {
    reply.error(refusal(outcome, slot_of(spec, args), first));
  }
}

Task<void> Session::query_shard(shard::ShardId id, const kv::CommandSpec& spec, kv::Args args, kv::ReplySink& reply,
                                uint16_t slot) {
  if (held_ != nullptr) {
    held_->query_on(id, spec, client_.database, args, reply);
    co_return;
  }
  std::vector<shard::ShardId> only(1, id);  // named, because g++ 12 cannot keep a braced list over a co_await
  shard::Loan loan = co_await lend(service_, reactor(), std::move(only), use_for_reading(), slot);
  LentCommands commands(service_, loan);
  if (!loan.is_held()) {
    reply.error(slot == shard::kNoSlot ? std::string(refusal_text(loan.refusal())) : refusal(loan.refusal(), slot, id));
  } else if (loan.damage() != nullptr) {
    reply.error(refusal_text(shard::LogErrc::kDamaged));
  } else {
    commands.query_on(id, spec, client_.database, args, reply);
  }
}

}  // namespace keelson::resp
