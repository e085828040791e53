// Handlers of commands that the session runs because they span shards, wait, or change how commands are taken. They
// stand in the table of session_commands.cc like the other session commands.
#pragma once

#include "base/task.h"
#include "protocol/resp/session.h"

namespace keelson::resp {

// transaction.cc
Task<void> cmd_multi(Session& session, kv::Args args);
Task<void> cmd_exec(Session& session, kv::Args args);
Task<void> cmd_discard(Session& session, kv::Args args);
Task<void> cmd_watch(Session& session, kv::Args args);
Task<void> cmd_unwatch(Session& session, kv::Args args);

// blocking_commands.cc: BLPOP and BRPOP, BZPOPMIN and BZPOPMAX, BLMOVE, BRPOPLPUSH, BLMPOP and BZMPOP.
Task<void> cmd_blocking_pop(Session& session, kv::Args args);
Task<void> cmd_blocking_zpop(Session& session, kv::Args args);
Task<void> cmd_blmove(Session& session, kv::Args args);
Task<void> cmd_brpoplpush(Session& session, kv::Args args);
Task<void> cmd_blocking_mpop(Session& session, kv::Args args);

// scan.cc
Task<void> cmd_scan(Session& session, kv::Args args);

}  // namespace keelson::resp
