// One connection: reads commands, runs them, and answers in the order they came.
//
// Commands whose keys lie on one shard are gathered into a Batch and answered together; everything else (session
// commands, keys of several shards, EXEC, blocking) runs alone, after what came before. Belongs to one reactor, like
// its stream.
//
// A handler of a session command answers through out(), and may await: the arguments stay valid until it returns, and
// no other command of this connection runs meanwhile.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "engine/kv/command.h"
#include "env/network.h"
#include "env/reactor.h"
#include "protocol/resp/parser.h"
#include "protocol/resp/service.h"
#include "protocol/resp/writer.h"
#include "shard/batch.h"

namespace keelson::kv {
class BigObject;
}

namespace keelson::resp {

class BlockedWait;
class LentCommands;
class Session;
struct SessionBatch;

// Of the shape `Task<void> cmd_client(Session& session, kv::Args args)`; args[0] is the command's name.
using SessionHandler = Task<void> (*)(Session&, kv::Args);
// The one explicit table (session_commands.cc); null for a command whose home is not the session.
SessionHandler session_handler(uint16_t command_code);
// The few that never wait and are sent in floods have no coroutine of their own; null for the others.
using QuickHandler = void (*)(Session&, kv::Args);
QuickHandler quick_session_handler(uint16_t command_code);

// CLIENT REPLY.
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipping };

// What CLIENT LIST and friends show, and what decides how commands are taken.
struct ClientState {
  uint64_t id = 0;
  std::string name;
  uint16_t database = 0;
  bool is_authenticated = false;
  bool is_tls = false;
  bool no_evict = false;
  bool is_monitor = false;
  bool is_readonly = false;  // READONLY: reads of a cluster's node are answered from what it has, however old
  ReplyMode reply_mode = ReplyMode::kOn;
  int64_t connected_ns = 0;
  int64_t last_command_ns = 0;
  const kv::CommandSpec* last_command = nullptr;
  uint64_t commands = 0;
};

// MULTI .. EXEC.
struct TransactionState {
  struct Queued {
    const kv::CommandSpec* spec;
    std::vector<std::string> args;
  };
  struct Watched {
    shard::ShardId shard;
    uint16_t database;
    std::string key;
    uint64_t version;  // ShardAgent::Watch
    bool exists;
  };
  bool is_open = false;
  bool needs_memory = false;  // a command is queued that may not run when memory is short
  bool is_aborted = false;    // a command was refused while queueing: EXEC answers EXECABORT
  std::vector<Queued> queue;
  std::vector<Watched> watched;
};

class Session {
 public:
  Session(KvService& service, Local& local, std::unique_ptr<env::Stream> stream, bool is_tls);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Serves until the connection ends.
  Task<void> run();

  [[nodiscard]] KvService& service() { return service_; }
  [[nodiscard]] Local& local() { return local_; }
  [[nodiscard]] const KvConfig& config() const { return local_.config; }
  [[nodiscard]] env::Reactor& reactor() { return local_.reactor; }
  [[nodiscard]] RespWriter& out() { return writer_; }
  [[nodiscard]] ClientState& client() { return client_; }
  [[nodiscard]] TransactionState& transaction() { return transaction_; }
  [[nodiscard]] const env::Address& remote() const { return stream_->remote(); }
  [[nodiscard]] const env::Address& local_address() const { return stream_->local(); }
  [[nodiscard]] size_t input_buffered_bytes() const { return input_.size(); }
  [[nodiscard]] size_t output_buffered_bytes() const { return output_.size() + sending_.size(); }
  [[nodiscard]] size_t input_capacity_bytes() const { return input_.capacity(); }

  // Names subscribed to, kept by PubSub's commands. Not empty: under RESP2 only a few commands are taken.
  struct Subscriptions {
    std::set<std::string, std::less<>> channels, patterns, shard_channels;
    [[nodiscard]] size_t count() const { return channels.size() + patterns.size() + shard_channels.size(); }
  };
  [[nodiscard]] Subscriptions& subscriptions() { return subscriptions_; }
  [[nodiscard]] ClientClass client_class() const { return subscriptions_.count() != 0 ? kPubsubClient : kNormalClient; }

  // Sends bytes that are no answer (a message, MONITOR's line), between answers. Past the client's output limit the
  // connection ends.
  void push(std::string_view encoded);
  // Ends the connection as soon as the answer under way is sent.
  void close_after_reply() { is_closing_ = true; }
  // Ends it without waiting for that.
  void kill();
  // The server stops: ends it after the commands that have been read, at once if there are none.
  void end_when_idle();
  // Sends what is ready to go, as far as the connection takes it.
  void flush();
  // Ends it if it has been idle, or over its soft output limit, for too long. Called about once a second.
  void check_limits(int64_t now_ns);
  // CLIENT UNBLOCK: true if the client was blocked. With `as_error` it gets -UNBLOCKED, otherwise the answer of a
  // time-out.
  bool unblock(bool as_error);
  [[nodiscard]] bool is_blocked() const { return blocked_ != nullptr; }

  // Runs one command whose home is kEngine or kAllShards and waits for it; the answer goes to `reply` (out(), or
  // another). `args` include the name. For session commands that need keys.
  Task<void> run_keyed(const kv::CommandSpec& spec, kv::Args args, RespWriter& reply);
  // The same for a command that changes nothing.
  Task<void> query_keyed(const kv::CommandSpec& spec, kv::Args args, kv::ReplySink& reply);
  // A command for one shard that names no key (_SCAN, _DIGEST). `slot`: what it is about, in a cluster.
  Task<void> query_shard(shard::ShardId id, const kv::CommandSpec& spec, kv::Args args, kv::ReplySink& reply,
                         uint16_t slot = shard::kNoSlot);
  // EXEC: while set, keyed commands of session handlers run on the shards that the transaction holds.
  void set_held(LentCommands* held) { held_ = held; }
  [[nodiscard]] bool holds_shards() const { return held_ != nullptr; }
  // The error for what a shard or its log did not take; in a cluster it names the node to ask (MOVED), if that helps.
  [[nodiscard]] std::string refusal(shard::LogErrc outcome, uint16_t slot, shard::ShardId refused_by) const;
  // Runs commands on keys of one slot as one record, or, if none of them writes, as one query; for a cluster.
  struct Ran {
    shard::LogErrc outcome;
    shard::ShardId shard;
  };
  Task<Ran> run_as_operation(std::span<const engine::Command> commands, bool is_write, uint16_t slot,
                             kv::ReplySink& reply);
  // A shard has said that it has not got the slot: waits a little until this node has heard which one has. False: it
  // has not.
  Task<bool> hear_of_move(uint16_t slot, shard::ShardId from);
  // Forgets MULTI and WATCH.
  void reset_transaction();

 private:
  friend class SessionOperation;
  friend class BlockedScope;

  // With this many bytes of answers unread, a client's further commands wait.
  static constexpr size_t kOutputPauseBytes = size_t{64} << 20;

  // What the commands that have been read wait for.
  enum class Next : uint8_t {
    kInput,  // more bytes
    kBatch,  // commands under way on shards
    kAlone,  // alone_: a command that runs by itself
    kGroup,  // alone_ and those read behind it that are equal: they run under one loan
    kPause,  // CLIENT PAUSE
    kDrain,  // the client to read its answers
    kEnd,    // nothing: the connection ends
  };

  // A command that has been read and not been looked at, with what reading ahead has found out.
  struct Taken {
    kv::Args args;
    const kv::CommandSpec* spec = nullptr;  // null: unknown
    shard::ShardId shard = 0;               // of the key, if `has_key`
    bool has_key = false;                   // exactly one
    bool is_same_key = false;               // as the command before it
    uint16_t slot = 0;                      // of the key, in a cluster
    uint64_t key_hash = 0;
    const kv::BigObject* object = nullptr;  // while its member is fetched
    uint64_t member_hash = 0;

    [[nodiscard]] std::string_view key() const { return args[static_cast<size_t>(spec->keys.first)]; }
  };
  static constexpr size_t kReadAhead = 16;
  // Fast commands with at most this many arguments that are read together are timed together: reading the clock costs a
  // tenth of what they do. But each by itself while the slow log asks for times below kGroupSlowUsMin.
  static constexpr size_t kGroupArgsMax = 6;
  static constexpr int64_t kGroupSlowUsMin = 1000;
  // Commands that share a loan have at most so many arguments together: some 100 us in which the shards serve nobody
  // else.
  static constexpr size_t kLoanArgsMax = 512;
  // Commands that follow one another within this time share one reading of the log's clock (which counts ms).
  static constexpr int64_t kClockAgeNsMax = 200'000;

  // session.cc
  Task<bool> fill_input();
  Task<void> wait_drained(size_t bytes_max);
  Task<void> send_rest();
  Task<void> send_last();
  Task<void> read_ahead();
  void wake_drained();
  void flush_at_turn_end();
  bool is_over_output_limit();

  // Commands that come one by one, on many connections: each waits for the end of the turn, and meanwhile what it will
  // touch is fetched.
  struct Row {
    Session& session;
    bool await_ready() const { return !session.is_for_row(); }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const noexcept {}
  };
  static void run_row(Local& local);
  bool is_for_row();

  [[nodiscard]] shard::LoanUse use_for_reading() const {
    return client_.is_readonly ? shard::LoanUse::kLook : shard::LoanUse::kRead;
  }

  // dispatch.cc
  void look_at_clock();
  Next run_input();
  Next take_all();
  bool look_ahead();
  [[nodiscard]] bool may_look_at(const Taken& taken) const;
  void prefetch_ahead();
  void prefetch_members();
  bool prefetch_first();
  void prefetch_first_entry();
  Next take(const Taken& taken);
  Next take_again(Next after);
  Next take_keyed(const kv::CommandSpec& spec, const Taken& taken);
  Next take_alone(const kv::CommandSpec& spec, kv::Args args);
  [[nodiscard]] bool is_plain(const kv::CommandSpec& spec) const;
  [[nodiscard]] size_t group_end(const kv::CommandSpec& spec) const;
  Task<void> run_group();
  void run_quick(QuickHandler handler, const kv::CommandSpec& spec, kv::Args args);
  bool is_batch_under_way();
  void acquire_batch();
  Task<void> end_batch();
  void batch_ended();
  Task<void> run_alone();
  bool is_paused(const kv::CommandSpec& spec) const;
  Task<void> wait_for_pause();
  [[nodiscard]] bool is_timed_in_group(const kv::CommandSpec& spec, kv::Args args) const;
  void note_time(const kv::CommandSpec& spec, kv::Args args);
  void end_group();
  void note_call(const kv::CommandSpec& spec, kv::Args args, int64_t duration_ns);
  void count_error(const kv::CommandSpec& spec, std::string_view code);
  void count_error_code(std::string_view code);

  // admission.cc
  bool refuse(const kv::CommandSpec* spec, kv::Args args);
  static bool is_barred_in_cluster(const kv::CommandSpec& spec);
  bool refuse_in_cluster(const kv::CommandSpec& spec, kv::Args args);
  void reject(const kv::CommandSpec* spec, std::string_view error);

  // cluster_keys.cc
  [[nodiscard]] static bool is_on_every_shard(const kv::CommandSpec& spec);
  [[nodiscard]] bool crosses_slots(const kv::CommandSpec& spec, kv::Args args);
  [[nodiscard]] uint16_t slot_of(const kv::CommandSpec& spec, kv::Args args);
  enum class Follow : uint8_t { kNothing, kAgain, kWait };
  Follow follow_slots();
  Task<void> run_on_each_shard(const kv::CommandSpec& spec, kv::Args args, RespWriter& reply);
  Task<void> run_in_cluster(const kv::CommandSpec& spec, kv::Args args, RespWriter& reply);
  Task<std::vector<shard::ShardId>> shards_to_ask(const kv::CommandSpec& spec, kv::Args args);

  // transaction.cc
  void enqueue_in_transaction(const kv::CommandSpec& spec, kv::Args args);

  KvService& service_;
  Local& local_;
  std::unique_ptr<env::Stream> stream_;
  ClientState client_;
  TransactionState transaction_;
  Subscriptions subscriptions_;

  Buffer input_;
  Buffer ahead_;  // what came while a blocked command was waiting
  RequestParser parser_;
  size_t read_bytes_ = 0;  // how much the next read makes room for
  Buffer output_;          // answers, not yet handed to the stream
  Buffer sending_;         // being written by send_rest()
  RespWriter writer_;
  Buffer pushes_;  // messages that came while a handler was at work
  bool is_in_handler_ = false;
  bool is_sending_ = false;
  bool is_flush_due_ = false;
  bool is_closing_ = false;
  bool is_reading_ = false;  // suspended until bytes come
  bool is_killed_ = false;
  int64_t over_soft_limit_since_ns_ = 0;
  std::coroutine_handle<> drained_waiter_;
  BlockedWait* blocked_ = nullptr;
  std::array<Taken, kReadAhead> ahead_taken_;
  size_t ahead_next_ = 0;
  size_t ahead_end_ = 0;
  Parsed ahead_parsed_ = Parsed::kNeedMore;  // what stopped the reading ahead
  bool has_looked_ahead_ = false;            // for the next run_input()
  std::coroutine_handle<> row_waiter_;
  bool is_clock_due_ = true;  // the next command is not to go by looked_at_clock_ns_
  int64_t looked_at_clock_ns_ = 0;
  size_t no_group_until_ = 0;  // of ahead_taken_: a group of those could not be logged as one
  const kv::CommandSpec* alone_ = nullptr;
  kv::Args alone_args_;
  int64_t turn_ns_ = 0;  // the clock as of the last command's end, or of the last group's
  // Equal commands that have run since turn_ns_ and are not timed yet.
  const kv::CommandSpec* group_spec_ = nullptr;
  uint32_t group_count_ = 0;
  LentCommands* held_ = nullptr;
  std::unique_ptr<SessionBatch> batch_;
  env::TaskScope tasks_;
};

}  // namespace keelson::resp
