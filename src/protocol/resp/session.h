// One connection: reads commands, runs them, and answers in the order they came.
//
// Commands whose keys lie on one shard are gathered into a Batch and answered together; everything else (session commands,
// keys of several shards, EXEC, blocking) runs alone, after what came before. Belongs to one reactor, like its stream.
//
// A handler of a session command answers through out(), and may await: the arguments stay valid until it returns, and no
// other command of this connection runs meanwhile.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
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

namespace keelson::resp {

class BlockedWait;
class Session;

// Of the shape `Task<void> cmd_client(Session& session, kv::Args args)`; args[0] is the command's name.
using SessionHandler = Task<void> (*)(Session&, kv::Args);
// The one explicit table (session_commands.cc); null for a command whose home is not the session.
SessionHandler session_handler(uint16_t command_code);

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
    uint16_t database;
    std::string key;
    uint64_t version;
    shard::ShardId shard;
  };
  bool is_open = false;
  bool is_aborted = false;   // a command was refused while queueing: EXEC answers EXECABORT
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
  [[nodiscard]] ClientClass client_class() const {
    return subscriptions_.count() != 0 ? kPubsubClient : kNormalClient;
  }

  // Sends bytes that are no answer (a message, MONITOR's line), between answers. Past the client's output limit the connection ends.
  void push(std::string_view encoded);
  // Ends the connection as soon as the answer under way is sent; `now` does not wait for that.
  void close_after_reply() { is_closing_ = true; }
  void kill();
  // CLIENT UNBLOCK: true if the client was blocked. With `as_error` it gets -UNBLOCKED, otherwise the answer of a time-out.
  bool unblock(bool as_error);
  [[nodiscard]] bool is_blocked() const { return blocked_ != nullptr; }

  // Runs one command whose home is the engine (any number of shards) and waits for it; the answer goes to out() or to `reply`. For EXEC,
  // and for session commands that need keys (MEMORY USAGE, OBJECT). `args` include the name.
  Task<void> run_keyed(const kv::CommandSpec& spec, kv::Args args, kv::ReplySink& reply);
  // Forgets MULTI and WATCH.
  Task<void> reset_transaction();

 private:
  friend class KeyedOperation;
  friend class BlockedWait;
  struct Batching;

  Task<bool> fill_input();
  Task<void> run_input();
  bool take_command(kv::Args args);
  bool refuse(const kv::CommandSpec& spec, kv::Args args);
  void enqueue_in_transaction(const kv::CommandSpec& spec, kv::Args args);
  Task<void> finish_batch();
  Task<void> run_alone(const kv::CommandSpec& spec, kv::Args args);
  Task<void> drain_output();
  void flush();
  void check_output_limit();
  Task<void> send_rest();

  KvService& service_;
  Local& local_;
  std::unique_ptr<env::Stream> stream_;
  ClientState client_;
  TransactionState transaction_;
  Subscriptions subscriptions_;

  Buffer input_;
  RequestParser parser_;
  Buffer output_;    // answers, not yet handed to the stream
  Buffer sending_;   // being written by send_rest()
  RespWriter writer_;
  bool is_sending_ = false;
  bool is_closing_ = false;
  bool is_killed_ = false;
  int64_t over_soft_limit_since_ns_ = 0;
  std::coroutine_handle<> drained_waiter_;
  BlockedWait* blocked_ = nullptr;
  std::unique_ptr<Batching> batching_;
  env::TaskScope tasks_;
};

}  // namespace keelson::resp
