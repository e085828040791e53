#include "engine/kv/kv_engine.h"

#include <string>

#include "engine/kv/keyspace.h"
#include "engine/kv/slot_walk.h"

namespace keelson::kv {

namespace {

// A log of a newer version may hold what this one does not know; a damaged one is found long before.
void reply_unknown(const engine::Command& command, ReplySink& reply) {
  reply.error("ERR command code " + std::to_string(command.code) + " is not known to this version");
}

// Null, and an answer, if nothing here runs the command.
const CommandSpec* handled(const engine::Command& command, ReplySink& reply) {
  const CommandSpec* spec = command_by_code(command.code);
  if (spec != nullptr && spec->handler != nullptr) return spec;
  reply_unknown(command, reply);
  return nullptr;
}

// On one shard.
void run(CommandContext& context, const engine::Command& command) {
  const CommandSpec* spec = handled(command, context.out);
  if (spec == nullptr) return;
  if (command.space >= context.only->options().databases) return context.out.error("ERR DB index is out of range");
  context.only->tick(context.now_ms);
  spec->handler(context);
}

KeyspaceOptions keyspace_options(const KvOptions& options) {
  KeyspaceOptions result;
  result.databases = options.databases;
  result.hash_secret = options.hash_secret;
  return result;
}

}  // namespace

KvEngine::KvEngine(const KvOptions& options)
    : options_(options), keyspace_(std::make_unique<Keyspace>(keyspace_options(options))) {}

KvEngine::~KvEngine() = default;

void KvEngine::apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  CommandContext command_context{.args = command.args,
                                 .out = static_cast<ReplySink&>(reply),
                                 .now_ms = context.time_ms,
                                 .seed = context.seed,
                                 .database = command.space,
                                 .is_query = false,
                                 .only = keyspace_.get()};
  run(command_context, command);
}

void KvEngine::query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  CommandContext command_context{.args = command.args,
                                 .out = static_cast<ReplySink&>(reply),
                                 .now_ms = context.time_ms,
                                 .seed = context.seed,
                                 .database = command.space,
                                 .is_query = true,
                                 .only = keyspace_.get()};
  run(command_context, command);
}

std::unique_ptr<engine::CheckpointSource> KvEngine::begin_checkpoint() { return keyspace_->begin_checkpoint(); }

Status KvEngine::load_checkpoint(std::string_view piece) { return keyspace_->load_checkpoint(piece); }

void KvEngine::reset() { keyspace_->reset(); }

std::unique_ptr<engine::SlotWalk> KvEngine::begin_export(uint16_t first, uint16_t last) {
  return std::make_unique<KeyWalk>(*keyspace_, KeyWalk::Kind::kExport, first, last);
}

std::unique_ptr<engine::SlotWalk> KvEngine::begin_wipe(uint16_t first, uint16_t last) {
  return std::make_unique<KeyWalk>(*keyspace_, KeyWalk::Kind::kWipe, first, last);
}

void run_across(KeyspaceMap& map, Effects* effects, const engine::ApplyContext& context, const engine::Command& command,
                ReplySink& reply) {
  CommandContext command_context{.args = command.args,
                                 .out = reply,
                                 .now_ms = context.time_ms,
                                 .seed = context.seed,
                                 .database = command.space,
                                 .is_query = effects == nullptr,
                                 .map = &map,
                                 .effects = effects};
  if (const CommandSpec* spec = handled(command, reply)) spec->handler(command_context);
}

}  // namespace keelson::kv
