// Sends a backup of a running node over HTTP: every shard's newest checkpoint, the log behind them, the
// segments of topics, and the volumes of the blob store.
//
// How it is consistent. First every changed shard is written down. Then the checkpoints and segments that are there are
// held: none is removed or reused until the backup is done. The log's files are sent from the newest to the oldest,
// each from its end to its beginning: whatever is seen of a later place was written after everything before it, so what
// is sent is the log as a crash of the machine at some moment since would have left it, and is recovered like that.
// Commands on keys of several shards are in it whole or not at all.
//
// Segments of topics follow the log likewise, and are held since before it was read: what a checkpoint says of a
// segment lies in its beginning, which never changes; what was added since is cut off when the backup is started from,
// and comes from the log.
//
// Volumes follow the log, and are held since before it was read. So whatever the log names in them is there: bytes are
// synced in their volume before the command that names them goes to the log, volumes are never written over, and one
// that was gone at the hold held nothing that was live then. What writers add meanwhile may be in it in part; nothing
// in the backup names it.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "net/http/server.h"
#include "shard/runtime.h"

namespace keelson::blobstore {
class Store;
}

namespace keelson::topics {
class Topics;
}

namespace keelson::server {

// Answers the exchange with the archive (cli/backup_archive.h). Reactor 0. Asked between pieces, `may_go_on` ends it
// with an error when it says false. `topics`: null where there are none.
Task<Status> send_backup(env::Env& env, shard::Runtime& runtime, blobstore::Store& store, topics::Topics* topics,
                         std::string folder, std::string version, net::http::Exchange& exchange,
                         std::function<bool()> may_go_on);

}  // namespace keelson::server
